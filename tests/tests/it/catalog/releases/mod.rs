//! The released versions of the schema, as they were released.

use pgai_sea_tests::TestDatabase;
use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};

/// Every version, and all that its installer ran.
pub(crate) const RELEASES: &[(i32, &str)] = &[(1, include_str!("v1.sql"))];

/// Installs a released version in a database without a schema `ai`.
pub(crate) async fn install(test: &TestDatabase, version: i32) -> Result<(), DbErr> {
    let found = RELEASES.iter().find(|(released, _)| *released == version);
    let (_, sql) = found.ok_or_else(|| DbErr::Custom(format!("version {version} is not released")))?;
    let transaction = test.db.begin().await?;
    transaction.execute_unprepared(sql).await?;
    transaction.commit().await
}

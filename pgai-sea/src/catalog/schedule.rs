//! Whether workers serve a vectorizer.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{CatalogError, VectorizerRef};
use crate::sql::Call;

/// pgai's functions.
pub(crate) const PAUSE: &str = "disable_vectorizer_schedule";
pub(crate) const RESUME: &str = "enable_vectorizer_schedule";

/// Makes workers skip a vectorizer until it is [resumed](resume). Changes are still queued, and searches go on.
/// A worker sees it within five seconds, and finishes the batches in hand.
///
/// # Errors
///
/// [`CatalogError::NotFound`] where there is no such vectorizer, and the database's.
pub async fn pause<C: ConnectionTrait>(db: &C, vectorizer: impl Into<VectorizerRef>) -> Result<(), CatalogError> {
    call(db, vectorizer.into(), PAUSE).await
}

/// Lets workers serve a vectorizer again.
///
/// # Errors
///
/// As [`pause`].
pub async fn resume<C: ConnectionTrait>(db: &C, vectorizer: impl Into<VectorizerRef>) -> Result<(), CatalogError> {
    call(db, vectorizer.into(), RESUME).await
}

async fn call<C: ConnectionTrait>(
    db: &C,
    vectorizer: VectorizerRef,
    function: &'static str,
) -> Result<(), CatalogError> {
    let sql = sql(db, vectorizer, function).await?;
    db.execute_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    Ok(())
}

/// The statement. It names the vectorizer by its id: by name, pgai's functions accept what does not exist.
pub(crate) async fn sql<C: ConnectionTrait>(
    db: &C,
    vectorizer: VectorizerRef,
    function: &'static str,
) -> Result<String, CatalogError> {
    let id = super::vectorizer::row(db, &vectorizer).await?.id;
    let call = Call::new(function).arg("vectorizer_id", Some(id));
    Ok(format!("SELECT {}", call.to_sql()))
}

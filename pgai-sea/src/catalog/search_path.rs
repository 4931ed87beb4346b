//! The search path of a transaction that installs, upgrades or removes the schema.
//!
//! Whoever may create objects on a caller's search path could have the installer run functions and operators of theirs,
//! with the caller's rights, and keep them in the views and conditions that it makes. So it sees `pg_catalog` alone.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::presence::scalar;

/// The caller's search path.
#[derive(Debug)]
pub(super) struct CallersPath {
    path: String,
    /// The schema in which it creates objects. `None` if there is none.
    pub(super) schema: Option<String>,
}

/// Leaves `pg_catalog` alone on the search path, until the end of the transaction or [`CallersPath::restore`].
pub(super) async fn pin<C: ConnectionTrait>(db: &C) -> Result<CallersPath, DbErr> {
    let schema = scalar(db, "SELECT pg_catalog.current_schema()::text").await?;
    let path = scalar(db, "SELECT pg_catalog.current_setting('search_path')").await?;
    set(db, PINNED).await?;
    Ok(CallersPath { path, schema })
}

const PINNED: &str = "pg_catalog, pg_temp";

/// Sets the search path until the end of the transaction.
pub(super) async fn set<C: ConnectionTrait>(db: &C, path: &str) -> Result<(), DbErr> {
    let set = "SELECT pg_catalog.set_config('search_path', $1, true)";
    let set = Statement::from_sql_and_values(DbBackend::Postgres, set, [path.into()]);
    db.execute_raw(set).await.map(drop)
}

/// [`pin`] for what was on the path meanwhile.
pub(super) async fn pin_again<C: ConnectionTrait>(db: &C) -> Result<(), DbErr> {
    set(db, PINNED).await
}

impl CallersPath {
    /// The caller's transaction goes on with its own path.
    pub(super) async fn restore<C: ConnectionTrait>(&self, db: &C) -> Result<(), DbErr> {
        set(db, &self.path).await
    }
}

//! Upgrading the schema while it is in use.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbErr, RuntimeErr, TransactionSession, TransactionTrait};

use super::CatalogError;
use super::apply::apply;
use super::presence::scalar;

/// Brings a schema of version `from` to this one, in the caller's transaction.
///
/// An upgrade locks several tables, in an order that an application knows nothing of: two that wait for each other
/// would be a deadlock, and PostgreSQL would break off either. So the upgrade waits for a lock for less time than
/// PostgreSQL takes to look for deadlocks. When that is not enough it undoes what it did, which gives all locks back,
/// and begins again.
///
/// It does so for as long as the caller's `lock_timeout` allows, which is for ever by default.
pub(super) async fn upgrade<C: ConnectionTrait + TransactionTrait>(db: &C, from: i32) -> Result<(), CatalogError> {
    let timeout = "SELECT setting::bigint FROM pg_settings WHERE name = 'lock_timeout'";
    let timeout: i64 = scalar(db, timeout).await?;
    let allowed = Duration::from_millis(timeout.unsigned_abs());
    let wait = "SELECT set_config('lock_timeout', least(nullif($1, 0), greatest(10, \
         extract(epoch FROM current_setting('deadlock_timeout')::interval) * 250)::bigint)::text, true)";
    let begun = Instant::now();
    loop {
        let attempt = db.begin().await?;
        set(&attempt, wait, timeout).await?;
        match apply(&attempt, from).await {
            Ok(()) => {
                set(&attempt, "SELECT set_config('lock_timeout', $1::text, true)", timeout).await?;
                attempt.commit().await?;
                return Ok(());
            }
            Err(error) if is_of_locks(&error) && (allowed.is_zero() || begun.elapsed() < allowed) => {
                attempt.rollback().await?;
                // in the database, as not everyone who installs has a timer
                db.execute_unprepared("SELECT pg_sleep(0.1)").await?;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn set<C: ConnectionTrait>(db: &C, sql: &str, milliseconds: i64) -> Result<(), DbErr> {
    let statement = sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, sql, [milliseconds.into()]);
    db.execute_raw(statement).await.map(drop)
}

/// Whether a lock could not be had: `lock_not_available` or `deadlock_detected`.
fn is_of_locks(error: &CatalogError) -> bool {
    let CatalogError::Db(DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    let code = error
        .as_database_error()
        .and_then(sea_orm::sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}

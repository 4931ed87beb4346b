//! Asking once more after a table has changed.
//!
//! A connection keeps its prepared statements. If the type of a column changes that one returns, PostgreSQL refuses it
//! from then on ("cached plan must not change result type"). Other text is another statement, which is prepared anew.

use std::sync::atomic::{AtomicU64, Ordering};

use sea_orm::sqlx::postgres::PgDatabaseError;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, RuntimeErr, StatementBuilder};

/// Runs a query, and if the connection's statement for it is outdated, once more with another one.
pub(super) async fn query_all<C: ConnectionTrait, S: StatementBuilder>(
    db: &C,
    statement: &S,
) -> Result<Vec<QueryResult>, DbErr> {
    match db.query_all(statement).await {
        Err(error) if is_outdated(&error) => {
            let again = db.query_all_raw(anew(statement)).await;
            // a transaction is aborted, and a connection with access control runs no text
            again.map_err(|_| error)
        }
        asked => asked,
    }
}

/// The same for one row.
pub(super) async fn query_one<C: ConnectionTrait, S: StatementBuilder>(
    db: &C,
    statement: &S,
) -> Result<Option<QueryResult>, DbErr> {
    match db.query_one(statement).await {
        Err(error) if is_outdated(&error) => db.query_one_raw(anew(statement)).await.map_err(|_| error),
        asked => asked,
    }
}

/// The statement with a text that no connection has prepared.
fn anew<S: StatementBuilder>(statement: &S) -> sea_orm::Statement {
    static TIMES: AtomicU64 = AtomicU64::new(1);
    let mut statement = DbBackend::Postgres.build(statement);
    statement.sql = format!("{} /* {} */", statement.sql, TIMES.fetch_add(1, Ordering::Relaxed));
    statement
}

fn is_outdated(error: &DbErr) -> bool {
    let DbErr::Query(RuntimeErr::SqlxError(error)) = error else {
        return false;
    };
    let refusal = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    refusal.is_some_and(|refusal| refusal.code() == "0A000" && refusal.routine() == Some("RevalidateCachedQuery"))
}

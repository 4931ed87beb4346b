//! SeaORM's statements have names, which a pooler that shares sessions by the transaction may not keep.

use sea_orm::{DbErr, RuntimeErr};

/// What to do about an error, to be put behind its message. Nothing, if it is not a pooler's.
///
/// The name of a statement is another client's on the session that the pooler chose (42P05), or not known there
/// (26000).
pub(crate) fn advice(error: &DbErr) -> &'static str {
    let (DbErr::Query(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Conn(RuntimeErr::SqlxError(error))) = error
    else {
        return "";
    };
    let code = error
        .as_database_error()
        .and_then(sea_orm::sqlx::error::DatabaseError::code);
    match code.as_deref() {
        Some("42P05" | "26000") => {
            " (the connection goes through a pooler that shares sessions by the transaction and keeps no prepared \
             statements: connect to the server itself, or through the pooler in session mode, or set its \
             `max_prepared_statements`, as pgbouncer 1.21 and later have it)"
        }
        _ => "",
    }
}

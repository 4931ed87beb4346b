//! The tables that a vectorizer's row names.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use crate::sql::qualified;

const IS_OTHER: &str = "
SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind NOT IN ('r', 'p')";

/// The quoted name of a table. Something else of that name is refused: a view would run code of whoever wrote the
/// row, with
/// the rights of whoever reads.
pub(super) async fn own_table<C: ConnectionTrait>(db: &C, schema: &str, table: &str) -> Result<String, DbErr> {
    let is_other = Statement::from_sql_and_values(DbBackend::Postgres, IS_OTHER, [schema.into(), table.into()]);
    let name = qualified(schema, table);
    if db.query_one_raw(is_other).await?.is_some() {
        return Err(DbErr::Custom(format!(
            "{name} is not a table, though a row of ai.vectorizer names it as one: correct the row, or drop the \
            vectorizer"
        )));
    }
    Ok(name)
}

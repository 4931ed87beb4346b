//! Dead letters: rows that a worker gave up.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Vectorizer;
use crate::sql::qualified;

/// How many of a vectorizer's rows were given up. `None` where the role may not read them, or an older pgai keeps none.
pub async fn failed_count<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer) -> Result<Option<i64>, DbErr> {
    let (Some(schema), Some(table)) = (&vectorizer.queue_schema, &vectorizer.queue_failed_table) else {
        return Ok(None);
    };
    let table = qualified(schema, table);
    let readable = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT has_schema_privilege($1, 'usage') AND has_table_privilege(to_regclass($2), 'select')",
        [schema.as_str().into(), table.as_str().into()],
    );
    let readable: Option<bool> = match db.query_one_raw(readable).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => None,
    };
    if readable != Some(true) {
        return Ok(None);
    }
    let count = Statement::from_string(DbBackend::Postgres, format!("SELECT count(*) FROM {table}"));
    db.query_one_raw(count)
        .await?
        .map(|row| row.try_get_by_index(0))
        .transpose()
}

//! The other generation of a vectorizer that is being changed, if its vectors are of the same model.

use sea_orm::sqlx::{AssertSqlSafe, Row as _, query};
use serde_json::Value;

use crate::catalog::identity::{HAS_TABLE, shared_dimensions};
use crate::sql::qualified;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::embed::Neighbour;
use crate::worker::queue::key_sql::KeySql;

const OTHER: &str = "
select o.id, o.config #>> '{destination,target_schema}', o.config #>> '{destination,target_table}', (g.made_by -> \
'embedding')::text
from ai.vectorizer_generation c
join ai.vectorizer o on o.id = case when c.vectorizer_id = $1 then c.replaces else c.vectorizer_id end
join ai.vectorizer_generation g on g.vectorizer_id = o.id
where c.replaces is not null and $1 in (c.vectorizer_id, c.replaces)
and o.config #>> '{destination,implementation}' = 'table' and g.made_by -> 'embedding' is not null";

/// `embedding` is what this generation's vectors are made with.
pub(super) async fn neighbour(
    pool: &Database,
    key_sql: &KeySql,
    embedding: &Value,
    nested: &[(String, String)],
) -> Result<Option<Neighbour>, DatabaseError> {
    let has_table: bool = query(AssertSqlSafe(HAS_TABLE)).one_on(pool).await?.try_get(0)?;
    if !has_table {
        return Ok(None);
    }
    let Some(row) = query(OTHER).bind(key_sql.id).any_on(pool).await? else {
        return Ok(None);
    };
    let made_by: String = row.try_get(3)?;
    let there: Value = serde_json::from_str(&made_by).unwrap_or_default();
    Ok(shared_dimensions(embedding, &there, nested).map(|dimensions| {
        let store = qualified(row.get(1), row.get(2));
        Neighbour::new(pool.clone(), key_sql, &store, (row.get(0), made_by), dimensions)
    }))
}

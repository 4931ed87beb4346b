//! Where a row stands: queued, given up, or neither.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};

use crate::catalog::Vectorizer;
use crate::sql::{qualified, quote_identifier};

/// A column of the queue: its type, and the equality by which its index tells keys apart.
#[derive(FromQueryResult)]
struct Column {
    name: String,
    type_schema: String,
    type_name: String,
    operator_schema: Option<String>,
    operator: Option<String>,
}

/// A queue has an index on the key; that its operator need not be on the search path is why it is asked for.
const COLUMNS: &str = "
SELECT a.attname::text AS name, tn.nspname::text AS type_schema, t.typname::text AS type_name,
       e.nspname::text AS operator_schema, e.oprname::text AS operator
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
LEFT JOIN LATERAL (
    SELECT n.nspname, o.oprname
    FROM pg_catalog.pg_index i
    CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[]) AS k (attnum, opclass)
    JOIN pg_catalog.pg_opclass c ON c.oid = k.opclass
    JOIN pg_catalog.pg_am am ON am.oid = c.opcmethod AND am.amname = 'btree'
    JOIN pg_catalog.pg_amop m ON m.amopfamily = c.opcfamily
        AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype AND m.amopstrategy = 3
    JOIN pg_catalog.pg_operator o ON o.oid = m.amopopr
    JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE i.indrelid = a.attrelid AND k.attnum = a.attnum
    LIMIT 1
) e ON true
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";

/// Asks for failed attempts, NULL for a row that is not queued, and for the step that it was given up at. In one
/// statement: a row that is given up leaves the queue at the same moment. `None` for a vectorizer without a queue.
pub(super) async fn statement<C: ConnectionTrait>(
    db: &C,
    vectorizer: &Vectorizer,
    key: Vec<Value>,
) -> Result<Option<Statement>, DbErr> {
    let (Some(schema), Some(queue)) = (&vectorizer.queue_schema, &vectorizer.queue_table) else {
        return Ok(None);
    };
    let queue = qualified(schema, queue);
    let is_it = is_key(db, vectorizer, &queue).await?;
    let failed = vectorizer.queue_failed_table.as_ref().map_or_else(
        || "NULL::text".to_owned(),
        |failed| {
            let failed = qualified(schema, failed);
            format!("(SELECT max(failure_step) FROM {failed} WHERE {is_it})")
        },
    );
    let sql = format!("SELECT (SELECT max(loading_retries) FROM {queue} WHERE {is_it}), {failed}");
    Ok(Some(Statement::from_sql_and_values(DbBackend::Postgres, sql, key)))
}

/// The condition on a key's columns in queue and dead letters, with the values $1, $2 and so on in the order of
/// `source_pk`.
pub(in crate::catalog) async fn is_key<C: ConnectionTrait>(
    db: &C,
    vectorizer: &Vectorizer,
    queue: &str,
) -> Result<String, DbErr> {
    let columns = Statement::from_sql_and_values(DbBackend::Postgres, COLUMNS, [queue.into()]);
    let columns = Column::find_by_statement(columns).all(db).await?;
    let columns: HashMap<_, _> = columns
        .into_iter()
        .map(|column| (column.name.clone(), column))
        .collect();
    let is_it = vectorizer.source_pk.iter().zip(1..).map(|(key, i)| {
        let name = quote_identifier(&key.attname);
        columns
            .get(&key.attname)
            .map_or_else(|| format!("{name} = ${i}"), |column| column.equals(&name, i))
    });
    Ok(is_it.collect::<Vec<_>>().join(" AND "))
}

impl Column {
    /// The value is cast to the column's type, as an enum or `char(n)` would not be compared otherwise. The type has no
    /// length: a value that is too long is no key, rather than the beginning of one.
    fn equals(&self, name: &str, parameter: usize) -> String {
        let sql_type = qualified(&self.type_schema, &self.type_name);
        let operator = match (&self.operator_schema, &self.operator) {
            (Some(schema), Some(operator)) => format!("OPERATOR({}.{operator})", quote_identifier(schema)),
            _ => "=".to_owned(),
        };
        format!("{name} {operator} CAST(${parameter} AS {sql_type})")
    }
}

pub(super) async fn read<C: ConnectionTrait>(db: &C, state: Statement) -> Result<(Option<i32>, Option<String>), DbErr> {
    let row = db.query_one_raw(state).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the state of a queue".to_owned()))?;
    Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))
}

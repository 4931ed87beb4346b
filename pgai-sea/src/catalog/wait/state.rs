//! Where a row stands: queued, given up, or neither.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};

use crate::catalog::Vectorizer;
use crate::catalog::own_table::own_table;
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
    CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(i.indkey::int2[]), pg_catalog.unnest(i.indclass::oid[])) AS k
        (attnum, opclass)
    JOIN pg_catalog.pg_opclass c ON c.oid = k.opclass
    JOIN pg_catalog.pg_am am ON am.oid = c.opcmethod AND am.amname = 'btree'
    JOIN pg_catalog.pg_amop m ON m.amopfamily = c.opcfamily
        AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype AND m.amopstrategy = 3
    JOIN pg_catalog.pg_operator o ON o.oid = m.amopopr
    JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE i.indrelid = a.attrelid AND k.attnum = a.attnum
    LIMIT 1
) e ON true
WHERE a.attrelid = pg_catalog.to_regclass($1)::oid AND a.attnum > 0 AND NOT a.attisdropped";

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
    let queue = own_table(db, schema, queue).await?;
    let is_it = is_key(db, vectorizer, &queue).await?;
    let failed = match &vectorizer.queue_failed_table {
        Some(failed) => {
            let failed = own_table(db, schema, failed).await?;
            format!("(SELECT pg_catalog.max(failure_step) FROM {failed} WHERE {is_it})")
        }
        None => "NULL::text".to_owned(),
    };
    let sql = format!("SELECT (SELECT pg_catalog.max(loading_retries) FROM {queue} WHERE {is_it}), {failed}");
    Ok(Some(Statement::from_sql_and_values(DbBackend::Postgres, sql, key)))
}

/// The condition on a key's columns in queue and dead letters, with the values $1, $2 and so on in the order of
/// `source_pk`.
pub(in crate::catalog) async fn is_key<C: ConnectionTrait>(
    db: &C,
    vectorizer: &Vectorizer,
    queue: &str,
) -> Result<String, DbErr> {
    let columns = columns(db, queue).await?;
    let is_it = vectorizer.source_pk.iter().zip(1..).map(|(key, i)| {
        let name = quote_identifier(&key.attname);
        columns.get(&key.attname).map_or_else(
            || format!("{name} {EQUALS} ${i}"),
            |column| column.equals(&name, &format!("${i}")),
        )
    });
    Ok(is_it.collect::<Vec<_>>().join(" AND "))
}

/// The condition that two rows, of queue, dead letters, store or source, have the same key.
pub(in crate::catalog) async fn same_key<C: ConnectionTrait>(
    db: &C,
    vectorizer: &Vectorizer,
    left: &str,
    right: &str,
) -> Result<String, DbErr> {
    let columns = match (&vectorizer.queue_schema, &vectorizer.queue_table) {
        (Some(schema), Some(queue)) => columns(db, &qualified(schema, queue)).await?,
        _ => HashMap::new(),
    };
    let same = vectorizer.source_pk.iter().map(|key| {
        let name = quote_identifier(&key.attname);
        let equals = columns
            .get(&key.attname)
            .map_or_else(|| EQUALS.to_owned(), Column::operator);
        format!("{left}.{name} {equals} {right}.{name}")
    });
    Ok(same.collect::<Vec<_>>().join(" AND "))
}

/// The condition that a row of the source has the key whose values are the texts `k.k1`, `k.k2` and so on.
pub(in crate::catalog) async fn has_key<C: ConnectionTrait>(
    db: &C,
    vectorizer: &Vectorizer,
    alias: &str,
) -> Result<String, DbErr> {
    let columns = match (&vectorizer.queue_schema, &vectorizer.queue_table) {
        (Some(schema), Some(queue)) => columns(db, &qualified(schema, queue)).await?,
        _ => HashMap::new(),
    };
    let has = vectorizer.source_pk.iter().zip(1..).map(|(key, i)| {
        let (name, text) = (format!("{alias}.{}", quote_identifier(&key.attname)), format!("k.k{i}"));
        columns.get(&key.attname).map_or_else(
            || format!("{name} {EQUALS} {text}"),
            |column| column.equals(&name, &text),
        )
    });
    Ok(has.collect::<Vec<_>>().join(" AND "))
}

/// PostgreSQL's own.
const EQUALS: &str = "OPERATOR(pg_catalog.=)";

async fn columns<C: ConnectionTrait>(db: &C, queue: &str) -> Result<HashMap<String, Column>, DbErr> {
    let columns = Statement::from_sql_and_values(DbBackend::Postgres, COLUMNS, [queue.into()]);
    let columns = Column::find_by_statement(columns).all(db).await?;
    Ok(columns
        .into_iter()
        .map(|column| (column.name.clone(), column))
        .collect())
}

impl Column {
    fn operator(&self) -> String {
        match (&self.operator_schema, &self.operator) {
            (Some(schema), Some(operator)) => format!("OPERATOR({}.{operator})", quote_identifier(schema)),
            _ => EQUALS.to_owned(),
        }
    }

    /// The value is cast to the column's type, as an enum or `char(n)` would not be compared otherwise. The type has no
    /// length: a value that is too long is no key, rather than the beginning of one.
    fn equals(&self, name: &str, text: &str) -> String {
        let sql_type = qualified(&self.type_schema, &self.type_name);
        format!("{name} {} CAST({text} AS {sql_type})", self.operator())
    }
}

pub(super) async fn read<C: ConnectionTrait>(db: &C, state: Statement) -> Result<(Option<i32>, Option<String>), DbErr> {
    let row = db.query_one_raw(state).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the state of a queue".to_owned()))?;
    Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))
}

//! Rows that are embedded anew though nobody edited them.

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use serde_json::{Map, Value as Json};

use super::own_table::own_table;
use super::{CatalogError, Vectorizer, VectorizerRef};
use crate::sql::{qualified, quote_identifier};

/// Queues rows by their keys, whose documents have changed for example, and returns how many. A key is an object with
/// the key's columns, as [`FailedRow::key`](super::FailedRow::key) has it. Chunks whose text is the same keep their
/// vectors.
///
/// In SQL, on this crate's catalog: `select ai.requeue('manuals', '{"id": 7}')`.
///
/// ```no_run
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), pgai_sea::catalog::CatalogError> {
/// use pgai_sea::catalog;
///
/// let key = serde_json::Map::from_iter([("id".to_owned(), 7.into())]);
/// catalog::requeue(&db, "manuals", &[key]).await?; // or `address_embeddings::Entity`
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`CatalogError::NotFound`] where there is no such vectorizer, [`CatalogError::Key`] for a key with other columns;
/// the database's, usually because the role may not write to the queue.
pub async fn requeue<C: ConnectionTrait>(
    db: &C,
    vectorizer: impl Into<VectorizerRef>,
    keys: &[Map<String, Json>],
) -> Result<u64, CatalogError> {
    let vectorizer = super::vectorizer(db, vectorizer).await?;
    let columns = &vectorizer.source_pk;
    let is_key = |key: &Map<String, Json>| {
        key.len() == columns.len() && columns.iter().all(|column| key.contains_key(&column.attname))
    };
    if !keys.iter().all(is_key) {
        return Err(CatalogError::Key {
            vectorizer: vectorizer.name,
            columns: columns.iter().map(|column| column.attname.clone()).collect(),
        });
    }
    let keys = keys.iter().cloned().map(Json::Object).collect();
    queue(db, &vectorizer, Some(Json::Array(keys))).await
}

/// Queues all rows of a vectorizer, and returns how many.
///
/// # Errors
///
/// As [`requeue`].
pub async fn requeue_all<C: ConnectionTrait>(
    db: &C,
    vectorizer: impl Into<VectorizerRef>,
) -> Result<u64, CatalogError> {
    queue(db, &super::vectorizer(db, vectorizer).await?, None).await
}

async fn queue<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer, keys: Option<Json>) -> Result<u64, CatalogError> {
    let sql = "SELECT to_regprocedure('ai.requeue(integer, jsonb)') IS NOT NULL";
    let has_function = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    let has_function = has_function.map(|row| row.try_get_by_index(0)).transpose()?;
    if has_function == Some(true) {
        let values: [Value; 2] = [vectorizer.id.into(), keys.into()];
        let call = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT ai.requeue($1, $2)", values);
        let queued = db.query_one_raw(call).await?;
        let queued: Option<i64> = queued.map(|row| row.try_get_by_index(0)).transpose()?;
        return Ok(queued.and_then(|queued| u64::try_from(queued).ok()).unwrap_or_default());
    }
    let (Some(schema), Some(table)) = (&vectorizer.queue_schema, &vectorizer.queue_table) else {
        return Ok(0);
    };
    let queue = own_table(db, schema, table).await?;
    let columns = vectorizer
        .source_pk
        .iter()
        .map(|column| quote_identifier(&column.attname));
    let columns = columns.collect::<Vec<_>>().join(", ");
    let insert = match keys {
        Some(keys) => Statement::from_sql_and_values(
            DbBackend::Postgres,
            format!(
                "INSERT INTO {queue} ({columns}) SELECT {columns} FROM jsonb_populate_recordset(NULL::{queue}, $1)"
            ),
            [keys.into()],
        ),
        None => Statement::from_string(
            DbBackend::Postgres,
            format!(
                "INSERT INTO {queue} ({columns}) SELECT {columns} FROM {}",
                qualified(&vectorizer.source_schema, &vectorizer.source_table)
            ),
        ),
    };
    Ok(db.execute_raw(insert).await?.rows_affected())
}

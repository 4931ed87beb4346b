//! Rows that a worker gave up, and their way back into the queue.

use sea_orm::prelude::DateTimeWithTimeZone;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, TransactionSession, TransactionTrait, Value};
use serde::Serialize;

use super::own_table::{act_as_owner, own_table};
use super::status::{relation, source};
use super::wait::state::{is_key, same_key};
use super::{CatalogError, Vectorizer, VectorizerRef};
use crate::sql::{quote_identifier, quote_literal};

/// How many of a vectorizer's rows were given up, and are still there. `None` where the role may not read them, or an
/// older pgai keeps none.
///
/// # Errors
///
/// [`CatalogError::NotFound`] where there is no such vectorizer, and the database's.
pub async fn failed_count<C: ConnectionTrait>(
    db: &C,
    vectorizer: impl Into<VectorizerRef>,
) -> Result<Option<i64>, CatalogError> {
    Ok(count(db, &super::vectorizer(db, vectorizer).await?).await?)
}

pub(super) async fn count<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer) -> Result<Option<i64>, DbErr> {
    let (Some(schema), Some(table)) = (&vectorizer.queue_schema, &vectorizer.queue_failed_table) else {
        return Ok(None);
    };
    let Some(table) = relation(db, schema, table).await? else {
        return Ok(None);
    };
    let has_row = has_row(db, vectorizer).await?;
    let sql = format!("SELECT pg_catalog.count(*) FROM {} f WHERE {has_row}", table.name);
    let count = Statement::from_string(DbBackend::Postgres, sql);
    db.query_one_raw(count)
        .await?
        .map(|row| row.try_get_by_index(0))
        .transpose()
}

/// The condition that the row of a dead letter `f` is still there. Workers remove the others in time. Who may not read
/// the source sees them all.
async fn has_row<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer) -> Result<String, DbErr> {
    let key: Vec<&str> = vectorizer
        .source_pk
        .iter()
        .map(|column| column.attname.as_str())
        .collect();
    match source(db, vectorizer.id).await? {
        Some(source) if source.has_columns(db, &key).await? => {
            let same = same_key(db, vectorizer, "f", "s").await?;
            Ok(format!("EXISTS (SELECT 1 FROM {} s WHERE {same})", source.name))
        }
        _ => Ok("true".to_owned()),
    }
}

/// A row that was given up: it has no embeddings, and gets another chance when it is edited or [retried](retry_failed).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FailedRow {
    /// The row's key: the columns' names, and their values as PostgreSQL writes them.
    pub key: serde_json::Map<String, serde_json::Value>,
    /// When it was given up.
    pub failed_at: DateTimeWithTimeZone,
    /// What failed: `loading`, `parsing`, `chunking`, `embedding`, `writing`.
    pub step: String,
    /// Why, if the worker recorded it with the row's key, as this crate's does.
    pub reason: Option<String>,
}

/// The rows of a vectorizer that were given up and are still there, the latest first, at most `limit`. None where an
/// older pgai keeps none.
///
/// # Errors
///
/// [`CatalogError::NotFound`] where there is no such vectorizer; the database's, usually because the role may not read
/// the table of the rows that were given up.
pub async fn failed<C: ConnectionTrait>(
    db: &C,
    vectorizer: impl Into<VectorizerRef>,
    limit: u64,
) -> Result<Vec<FailedRow>, CatalogError> {
    let vectorizer = super::vectorizer(db, vectorizer).await?;
    let Some(table) = table(db, &vectorizer).await? else {
        return Ok(Vec::new());
    };
    let key = vectorizer.source_pk.iter().map(|column| {
        // `concat` gives the text of the output function, as the worker records it
        format!(
            "{}::text, pg_catalog.concat(f.{})",
            quote_literal(&column.attname),
            quote_identifier(&column.attname)
        )
    });
    let key = format!("pg_catalog.jsonb_build_object({})", key.collect::<Vec<_>>().join(", "));
    let has_row = has_row(db, &vectorizer).await?;
    let sql = format!(
        "SELECT pg_catalog.convert_to(f.key::text, CASE pg_catalog.getdatabaseencoding() WHEN 'SQL_ASCII' THEN
                'SQL_ASCII' ELSE 'UTF8' END), f.created_at, f.failure_step, r.reason
         FROM (SELECT {key} AS key, f.created_at, f.failure_step FROM {table} f WHERE {has_row}
             ORDER BY f.created_at DESC LIMIT $2) f
         LEFT JOIN (SELECT DISTINCT ON (details -> 'key'::text) details -> 'key'::text AS key,
                details ->> 'error_reason'::text AS reason
             FROM ai.vectorizer_errors WHERE id = $1 AND details ? 'key'::text
             ORDER BY details -> 'key'::text, recorded DESC) r ON r.key = f.key
         ORDER BY f.created_at DESC, f.key"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [vectorizer.id.into(), limit.into()]);
    let rows = db.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| {
            // a database of bytes may have keys that are no UTF-8
            let key: Vec<u8> = row.try_get_by_index(0)?;
            let key = serde_json::from_str(&String::from_utf8_lossy(&key));
            Ok(FailedRow {
                key: key.map_err(|error| DbErr::Json(error.to_string()))?,
                failed_at: row.try_get_by_index(1)?,
                step: row.try_get_by_index(2)?,
                reason: row.try_get_by_index(3)?,
            })
        })
        .collect()
}

/// Puts all rows of a vectorizer that were given up back into its queue, with all their attempts before them, and
/// returns how many. It acts as the vectorizer's owner, if this role may.
///
/// ```no_run
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), pgai_sea::catalog::CatalogError> {
/// use pgai_sea::catalog;
///
/// let rows = catalog::retry_failed(&db, "posts").await?; // or `content_embeddings::Entity`
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`CatalogError::NotFound`] where there is no such vectorizer; the database's, usually because the role may not write
/// to the queue.
pub async fn retry_failed<C: ConnectionTrait + TransactionTrait>(
    db: &C,
    vectorizer: impl Into<VectorizerRef>,
) -> Result<u64, CatalogError> {
    let vectorizer = super::vectorizer(db, vectorizer).await?;
    let (Some(schema), Some(queue)) = (&vectorizer.queue_schema, &vectorizer.queue_table) else {
        return Ok(0);
    };
    let transaction = db.begin().await?;
    let back = act_as_owner(&transaction, schema, queue).await?;
    let Some(failed) = table(&transaction, &vectorizer).await? else {
        return Ok(0);
    };
    let columns = vectorizer
        .source_pk
        .iter()
        .map(|column| quote_identifier(&column.attname));
    let columns = columns.collect::<Vec<_>>().join(", ");
    let sql = format!(
        "WITH given_up AS (DELETE FROM {failed} RETURNING {columns}) \
         INSERT INTO {} ({columns}) SELECT DISTINCT {columns} FROM given_up",
        own_table(&transaction, schema, queue).await?
    );
    let retry = Statement::from_string(DbBackend::Postgres, sql);
    let retried = transaction.execute_raw(retry).await?;
    if let Some(back) = back {
        transaction.query_one_raw(back).await?;
    }
    transaction.commit().await?;
    Ok(retried.rows_affected())
}

/// The last microseconds of a moment up to which a worker of this crate holds a row of the queue.
pub(crate) const LEASE_MARK: u32 = 137;

/// What a [`retry`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Retried {
    /// Rows that were given up, and are queued again with all their attempts before them.
    pub given_up: u64,
    /// Rows that waited for their next attempt, which is due now.
    pub waiting: u64,
}

/// Tries again, now, what has failed: rows that were given up and rows that wait for their next attempt. With `keys`
/// only those rows; a key is as [`FailedRow::key`] has it. What workers hold at this moment is left to them. It acts as
/// the vectorizer's owner, if this role may.
///
/// ```no_run
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), pgai_sea::catalog::CatalogError> {
/// use pgai_sea::catalog;
///
/// let failed = catalog::failed(&db, "posts", 1).await?;
/// let keys: Vec<_> = failed.into_iter().map(|row| row.key).collect();
/// let retried = catalog::retry(&db, "posts", &keys).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`CatalogError::NotFound`] where there is no such vectorizer, [`CatalogError::Key`] for a key with other columns;
/// the database's, usually because the role may not write to the queue.
pub async fn retry<C: ConnectionTrait + TransactionTrait>(
    db: &C,
    vectorizer: impl Into<VectorizerRef>,
    keys: &[serde_json::Map<String, serde_json::Value>],
) -> Result<Retried, CatalogError> {
    let vectorizer = super::vectorizer(db, vectorizer).await?;
    let (Some(schema), Some(queue)) = (&vectorizer.queue_schema, &vectorizer.queue_table) else {
        return Ok(Retried::default());
    };
    let wanted: Vec<Vec<Value>> = if keys.is_empty() {
        vec![Vec::new()]
    } else {
        keys.iter()
            .map(|key| values(&vectorizer, key))
            .collect::<Result<_, _>>()?
    };
    let transaction = db.begin().await?;
    let back = act_as_owner(&transaction, schema, queue).await?;
    let queue = own_table(&transaction, schema, queue).await?;
    let is_it = if keys.is_empty() {
        "true".to_owned()
    } else {
        is_key(&transaction, &vectorizer, &queue).await?
    };
    let columns = vectorizer
        .source_pk
        .iter()
        .map(|column| quote_identifier(&column.attname));
    let columns = columns.collect::<Vec<_>>().join(", ");
    let again = table(&transaction, &vectorizer).await?.map(|failed| {
        format!(
            "WITH given_up AS (DELETE FROM {failed} WHERE {is_it} RETURNING {columns}) \
             INSERT INTO {queue} ({columns}) SELECT DISTINCT {columns} FROM given_up"
        )
    });
    // a row that a worker holds has never failed, or carries the mark of a lease
    let now = format!(
        "UPDATE {queue} SET loading_retry_after = NULL WHERE {is_it} AND loading_retries > 0 \
         AND loading_retry_after > pg_catalog.now() \
         AND extract(microseconds FROM loading_retry_after AT TIME ZONE 'UTC')::bigint % 1000::bigint <> {LEASE_MARK}"
    );
    let mut retried = Retried::default();
    for key in wanted {
        if let Some(again) = &again {
            let again = Statement::from_sql_and_values(DbBackend::Postgres, again, key.clone());
            retried.given_up += transaction.execute_raw(again).await?.rows_affected();
        }
        let now = Statement::from_sql_and_values(DbBackend::Postgres, &now, key);
        retried.waiting += transaction.execute_raw(now).await?.rows_affected();
    }
    if let Some(back) = back {
        transaction.query_one_raw(back).await?;
    }
    transaction.commit().await?;
    Ok(retried)
}

/// The texts of a key's values, in the order of the key's columns.
fn values(
    vectorizer: &Vectorizer,
    key: &serde_json::Map<String, serde_json::Value>,
) -> Result<Vec<Value>, CatalogError> {
    let columns = &vectorizer.source_pk;
    let texts: Option<Vec<Value>> = columns
        .iter()
        .map(|column| {
            Some(match key.get(&column.attname)? {
                serde_json::Value::String(text) => text.as_str().into(),
                other => other.to_string().into(),
            })
        })
        .collect();
    texts
        .filter(|texts| texts.len() == key.len())
        .ok_or_else(|| CatalogError::Key {
            vectorizer: vectorizer.name.clone(),
            columns: columns.iter().map(|column| column.attname.clone()).collect(),
        })
}

async fn table<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer) -> Result<Option<String>, DbErr> {
    match (&vectorizer.queue_schema, &vectorizer.queue_failed_table) {
        (Some(schema), Some(table)) => own_table(db, schema, table).await.map(Some),
        _ => Ok(None),
    }
}

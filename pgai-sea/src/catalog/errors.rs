//! What workers have recorded in `ai.vectorizer_errors`.

use std::collections::BTreeSet;
use std::time::Duration;

use sea_orm::prelude::DateTimeWithTimeZone;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, TransactionSession, TransactionTrait,
    Value as SqlValue,
};
use serde::Serialize;
use serde_json::Value;

use super::status::reports::{INDEX_FAILED, PROVIDER_FAILED};
use super::status::{LIMITS, source};
use super::wait::state::has_key;
use super::{CatalogError, VectorizerRef};
use crate::pooled::is_of_a_pooler;

/// An error that a worker has recorded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecordedError {
    /// The vectorizer's name.
    pub vectorizer: String,
    /// When it was recorded. An error that lasts is recorded every ten minutes at most.
    pub recorded: DateTimeWithTimeZone,
    /// What failed: `embedding failed`, `embedding provider failed`.
    pub message: String,
    /// Why.
    pub reason: Option<String>,
    /// The row that failed: the key's columns and their values. `None` where it is not about a row.
    pub key: Option<serde_json::Map<String, Value>>,
    /// Which attempt of the row it was, from 1.
    pub attempt: Option<u64>,
    /// What to do about it, if it has not passed.
    pub advice: &'static str,
}

#[derive(FromQueryResult)]
struct Row {
    id: i32,
    name: String,
    recorded: DateTimeWithTimeZone,
    message: Option<String>,
    details: Option<Value>,
}

// a view of pgai's first versions has no names
const ERRORS: &str = "
SELECT v.id, v.name::text AS name, e.recorded, e.message, e.details
FROM ai.vectorizer_errors e JOIN ai.vectorizer v ON v.id = e.id
WHERE ($1::int IS NULL OR e.id = $1::int)
AND ($2::float8 IS NULL OR e.recorded > pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $2::float8))
ORDER BY e.recorded DESC, e.id, e.message, e.details::text LIMIT $3 OFFSET $4";

/// Errors of rows that are gone are left out, so they are read by so many at least.
const LEAST: u64 = 100;

/// What workers have recorded, the latest first, at most `limit`: of one vectorizer or of all, and of the time `since`,
/// by the server's clock. What was recorded of a row that is gone is left out, where the role may read the source.
///
/// ```no_run
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), pgai_sea::catalog::CatalogError> {
/// use std::time::Duration;
///
/// let hour = Duration::from_secs(3600);
/// for error in pgai_sea::catalog::errors(&db, Some("posts".into()), Some(hour), 100).await? {
///     println!("{} {}: {}", error.recorded, error.message, error.reason.unwrap_or_default());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`CatalogError::NotFound`] where there is no such vectorizer, and the database's.
pub async fn errors<C: ConnectionTrait + TransactionTrait>(
    db: &C,
    vectorizer: Option<VectorizerRef>,
    since: Option<Duration>,
    limit: u64,
) -> Result<Vec<RecordedError>, CatalogError> {
    let id = match vectorizer {
        Some(vectorizer) => Some(super::vectorizer::row(db, &vectorizer).await?.id),
        None => None,
    };
    let since = since.map(|since| since.as_secs_f64());
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let page = i64::try_from(limit.max(LEAST)).unwrap_or(i64::MAX);
    let (mut found, mut offset) = (Vec::new(), 0_i64);
    loop {
        let values: [SqlValue; 4] = [id.into(), since.into(), page.into(), offset.into()];
        let rows = Row::find_by_statement(Statement::from_sql_and_values(DbBackend::Postgres, ERRORS, values));
        let rows = rows.all(db).await?;
        let is_last = i64::try_from(rows.len()).is_ok_and(|rows| rows < page);
        found.extend(
            of_rows_that_are_there(db, rows)
                .await?
                .into_iter()
                .map(RecordedError::from),
        );
        if is_last || found.len() >= most {
            found.truncate(most);
            return Ok(found);
        }
        offset = offset.saturating_add(page);
    }
}

/// Leaves out the errors of rows that are gone. Where that cannot be known, none is.
async fn of_rows_that_are_there<C: ConnectionTrait + TransactionTrait>(
    db: &C,
    mut rows: Vec<Row>,
) -> Result<Vec<Row>, DbErr> {
    let vectorizers: BTreeSet<i32> = rows
        .iter()
        .filter(|row| row.key().is_some())
        .map(|row| row.id)
        .collect();
    for vectorizer in vectorizers {
        let transaction = db.begin().await?;
        let gone = gone(&transaction, vectorizer, &rows).await;
        transaction.rollback().await?;
        match gone {
            Ok(gone) => {
                let mut place = 0_i64;
                rows.retain(|_| {
                    place += 1;
                    !gone.contains(&place)
                });
            }
            Err(CatalogError::Db(error)) if is_of_a_pooler(&error) => return Err(error),
            // a key that is none any more, a table that is locked
            Err(_) => {}
        }
    }
    Ok(rows)
}

/// The places (from 1) of errors whose rows are gone.
async fn gone<C: ConnectionTrait>(db: &C, id: i32, rows: &[Row]) -> Result<BTreeSet<i64>, CatalogError> {
    let limits = Statement::from_string(DbBackend::Postgres, LIMITS);
    db.query_one_raw(limits).await?;
    let vectorizer = super::vectorizer(db, id).await?;
    let names: Vec<&str> = vectorizer.source_pk.iter().map(|key| key.attname.as_str()).collect();
    let source = match source(db, id).await? {
        Some(source) if source.has_columns(db, &names).await? => source,
        _ => return Ok(BTreeSet::new()),
    };
    let (mut places, mut texts) = (Vec::new(), vec![Vec::new(); names.len()]);
    for (row, place) in rows.iter().zip(1_i64..).filter(|(row, _)| row.id == id) {
        let key = row.key().filter(|key| key.len() == names.len());
        let key: Option<Vec<&str>> = key.and_then(|key| names.iter().map(|name| key.get(*name)?.as_str()).collect());
        let Some(key) = key else { continue };
        places.push(place);
        texts
            .iter_mut()
            .zip(key)
            .for_each(|(texts, text)| texts.push(text.to_owned()));
    }
    let parameters: Vec<String> = (1..=names.len())
        .map(|i| format!("pg_catalog.unnest(${}::text[])", i + 1))
        .collect();
    let columns: Vec<String> = (1..=names.len()).map(|i| format!("k{i}")).collect();
    // a database of bytes may have keys that were recorded in another form
    let sql = format!(
        "SELECT k.place FROM ROWS FROM (pg_catalog.unnest($1::bigint[]), {}) AS k (place, {})
         WHERE pg_catalog.getdatabaseencoding() <> 'SQL_ASCII' AND NOT EXISTS (SELECT 1 FROM {} s WHERE {})",
        parameters.join(", "),
        columns.join(", "),
        source.name,
        has_key(db, &vectorizer, "s").await?,
    );
    let values = std::iter::once(SqlValue::from(places)).chain(texts.into_iter().map(SqlValue::from));
    let gone = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let gone = db.query_all_raw(gone).await?;
    Ok(gone
        .iter()
        .map(|row| row.try_get_by_index(0))
        .collect::<Result<_, _>>()?)
}

impl Row {
    fn key(&self) -> Option<&serde_json::Map<String, Value>> {
        self.details.as_ref()?.get("key")?.as_object()
    }
}

impl From<Row> for RecordedError {
    fn from(row: Row) -> Self {
        let detail = |name: &str| row.details.as_ref().and_then(|details| details.get(name));
        let message = row.message.clone().unwrap_or_default();
        let key = row.key().cloned();
        Self {
            reason: detail("error_reason").and_then(Value::as_str).map(str::to_owned),
            attempt: detail("attempt").and_then(Value::as_u64),
            advice: match message.as_str() {
                _ if key.is_some() => {
                    "Edit the row, or try it again with `pgai-sea retry`. `pgai-sea failed list` shows which rows were \
                     given up."
                }
                PROVIDER_FAILED => "Nothing, unless it lasts: the worker tries again by itself.",
                INDEX_FAILED => {
                    "Rows are embedded, and searches are slow. Change what the reason speaks of: the worker then \
                     builds the index."
                }
                _ => "Change what the reason speaks of: the worker then goes on by itself.",
            },
            vectorizer: row.name,
            recorded: row.recorded,
            message,
            key,
        }
    }
}

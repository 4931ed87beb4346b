//! What workers have recorded in `ai.vectorizer_errors`.

use std::time::Duration;

use sea_orm::prelude::DateTimeWithTimeZone;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};
use serde::Serialize;
use serde_json::Value;

use super::status::reports::{INDEX_FAILED, PROVIDER_FAILED};
use super::{CatalogError, VectorizerRef};

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
    name: String,
    recorded: DateTimeWithTimeZone,
    message: Option<String>,
    details: Option<Value>,
}

// a view of pgai's first versions has no names
const ERRORS: &str = "
SELECT v.name::text AS name, e.recorded, e.message, e.details
FROM ai.vectorizer_errors e JOIN ai.vectorizer v ON v.id = e.id
WHERE ($1::int IS NULL OR e.id = $1::int)
AND ($2::float8 IS NULL OR e.recorded > pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $2::float8))
ORDER BY e.recorded DESC LIMIT $3";

/// What workers have recorded, the latest first, at most `limit`: of one vectorizer or of all, and of the time `since`,
/// by the server's clock.
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
pub async fn errors<C: ConnectionTrait>(
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
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [id.into(), since.into(), limit.into()];
    let rows = Row::find_by_statement(Statement::from_sql_and_values(DbBackend::Postgres, ERRORS, values));
    Ok(rows.all(db).await?.into_iter().map(RecordedError::from).collect())
}

impl From<Row> for RecordedError {
    fn from(row: Row) -> Self {
        let detail = |name: &str| row.details.as_ref().and_then(|details| details.get(name));
        let message = row.message.clone().unwrap_or_default();
        let key = detail("key").and_then(Value::as_object).cloned();
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

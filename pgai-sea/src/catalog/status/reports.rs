//! What workers report of a vectorizer.

use sea_orm::prelude::DateTimeWithTimeZone;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};

use super::StatusError;
use super::sample::relation;

/// How this crate's worker records an outage of a provider, which time may mend.
pub(crate) const PROVIDER_FAILED: &str = "embedding provider failed";
/// How it records an index that cannot be built. Rows are embedded all the same.
pub(crate) const INDEX_FAILED: &str = "index cannot be built";

/// The workers that have reported lately. Who sees only some knows nothing if there is none among them.
const WORKERS: &str = "
SELECT CASE WHEN count(*) > 0 OR NOT row_security_active('ai.vectorizer_worker_process') THEN count(*) END
FROM ai.vectorizer_worker_process p
WHERE p.last_heartbeat + p.expected_heartbeat_interval * 3 > clock_timestamp()";

const LAST_SUCCESS: &str = "SELECT p.last_success_at FROM ai.vectorizer_worker_progress p WHERE p.vectorizer_id = $1";

/// Whether rows were done in the last minute.
const IS_RECENT: &str = "SELECT coalesce($1::timestamptz > clock_timestamp() - interval '1 minute', false)";

/// What this crate's workers say on its own catalog, unless rows were done since.
const WAIT: &str = "
SELECT w.message, w.needs_change, w.since, w.next_attempt FROM ai.vectorizer_worker_wait w
WHERE w.vectorizer_id = $1 AND NOT coalesce(w.last_attempt < $2::timestamptz, false)";

/// What any worker has recorded of the vectorizer itself since rows were last done. Errors of single rows have a key.
const ERRORS: &str = "
SELECT (array_agg(coalesce(e.details ->> 'error_reason', e.message) ORDER BY e.recorded DESC))[1] AS message,
       (array_agg(e.message ORDER BY e.recorded DESC))[1] IS DISTINCT FROM $3::text AS needs_change,
       min(e.recorded) AS since, NULL::timestamptz AS next_attempt
FROM ai.vectorizer_errors e
WHERE e.id = $1 AND e.recorded > coalesce($2::timestamptz, '-infinity') AND e.message IS DISTINCT FROM $4::text
AND NOT coalesce(e.details ? 'key', false)
HAVING count(*) > 0";

/// What workers report.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// Workers that run. `None` for who may not know.
    pub(super) workers: Option<i64>,
    /// Whether rows were done in the last minute.
    pub(super) is_working: bool,
    pub(super) error: Option<StatusError>,
    /// Whether the error was recorded at some time, and nobody says that it still holds.
    pub(super) is_recorded: bool,
}

#[derive(FromQueryResult)]
struct Reported {
    message: String,
    needs_change: bool,
    since: Option<DateTimeWithTimeZone>,
    next_attempt: Option<DateTimeWithTimeZone>,
}

/// Asks for all of it that the role may read.
pub(super) async fn reports<C: ConnectionTrait>(db: &C, vectorizer: i32) -> Result<Reports, DbErr> {
    let mut reports = Reports::default();
    if relation(db, "ai", "vectorizer_worker_process").await?.is_some() {
        reports.workers = first(db, WORKERS, []).await?.flatten();
    }
    let mut last_success: Option<DateTimeWithTimeZone> = None;
    if relation(db, "ai", "vectorizer_worker_progress").await?.is_some() {
        last_success = first(db, LAST_SUCCESS, [vectorizer.into()]).await?.flatten();
        reports.is_working = first(db, IS_RECENT, [last_success.into()]).await?.unwrap_or_default();
    }
    let mut reported = None;
    let keeps_waits = relation(db, "ai", "vectorizer_worker_wait").await?.is_some();
    if keeps_waits {
        reported = find(db, WAIT, vec![vectorizer.into(), last_success.into()]).await?;
    }
    // pgai's worker says nothing else, on either catalog
    if reported.is_none() && may_read_errors(db).await? {
        reports.is_recorded = true;
        let values = vec![
            vectorizer.into(),
            last_success.into(),
            PROVIDER_FAILED.into(),
            INDEX_FAILED.into(),
        ];
        reported = find(db, ERRORS, values).await?;
    }
    reports.error = reported.map(|reported| StatusError {
        message: reported.message,
        since: reported.since,
        next_attempt: reported.next_attempt,
        needs_change: reported.needs_change,
    });
    Ok(reports)
}

async fn may_read_errors<C: ConnectionTrait>(db: &C) -> Result<bool, DbErr> {
    let may = "SELECT coalesce((SELECT has_table_privilege(c.oid, 'select') AND has_schema_privilege(n.oid, 'usage')
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'ai' AND c.relname = 'vectorizer_errors'), false)";
    Ok(first(db, may, []).await?.unwrap_or_default())
}

async fn find<C: ConnectionTrait>(db: &C, sql: &str, values: Vec<Value>) -> Result<Option<Reported>, DbErr> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Reported::find_by_statement(statement).one(db).await
}

/// The first column of the first row.
async fn first<C: ConnectionTrait, T: sea_orm::TryGetable>(
    db: &C,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Option<T>, DbErr> {
    let row = db
        .query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
        .await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}

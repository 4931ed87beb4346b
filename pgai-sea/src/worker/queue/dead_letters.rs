//! Rows that fail. The queue counts their attempts. After the last one the key moves to the table of dead letters. Each
//! failure is recorded with its reason in `ai.vectorizer_errors`.

use std::time::Duration;

use sea_orm::sqlx::PgConnection;
use serde_json::{Map, Value, json};

use super::key_sql::{Key, KeySql, Sql, statement, unescaped, with_keys};
use super::{Stamp, mine, places};
use crate::worker::backoff::delay;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;

/// The wait after the first failed attempt, unless the worker is told another one. It doubles with each attempt ..
const FIRST_DELAY: Duration = Duration::from_secs(15);
/// .. up to this.
const LONGEST_DELAY: Duration = Duration::from_mins(30);

const RECORD: &str = "insert into ai._vectorizer_errors (id, message, details) \
                      select $1, e.message, e.details::jsonb from unnest($2::text[], $3::text[]) as e (message, \
                      details)";

/// A key whose row has failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedKey<'k> {
    pub(crate) key: &'k Key,
    /// Failed attempts before this one.
    pub(crate) attempts: i32,
    /// `loading`, `chunking`, `embedding` or `writing`.
    pub(crate) step: &'static str,
    pub(crate) reason: &'k str,
}

/// The statements on failed rows of one vectorizer.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    id: i32,
    columns: Vec<String>,
    is_bytes: bool,
    defer: Sql,
    bury: Option<Sql>,
    record: Sql,
}

impl DeadLetters {
    pub(crate) fn new(key_sql: &KeySql) -> Self {
        let (attempts, delays) = (key_sql.parameter(2), key_sql.parameter(3));
        let bury = key_sql.failed.as_ref().map(|failed| {
            format!(
                "insert into {failed} ({}, failure_step) select {}, (${}::text[])[k.n] from {}",
                key_sql.columns(""),
                key_sql.typed().join(", "),
                key_sql.parameter(1),
                key_sql.given(),
            )
            .into()
        });
        Self {
            id: key_sql.id,
            columns: key_sql.keys.iter().map(|key| key.name.clone()).collect(),
            is_bytes: key_sql.is_bytes,
            defer: format!(
                "{}, waits as materialized (select mine.*, (${attempts}::int[])[mine.n] as retries, \
                 date_trunc('milliseconds', clock_timestamp() + make_interval(secs => \
                 (${delays}::float8[])[mine.n])) as moment from mine), \
                 deferred as (update {} q set loading_retries = waits.retries, loading_retry_after = waits.moment \
                 from waits where q.ctid = waits.at returning waits.n) select distinct n from deferred",
                mine(key_sql),
                key_sql.queue,
            )
            .into(),
            bury,
            record: RECORD.into(),
        }
    }

    /// Whether there is a table for dead letters. pgai's first versions have none.
    pub(crate) fn can_bury(&self) -> bool {
        self.bury.is_some()
    }

    /// Counts an attempt of the keys and leaves them in the queue for later. Returns which of them (from 0) still
    /// belonged to this batch. `first_delay` is the wait after a first attempt.
    pub(crate) async fn defer(
        &self,
        connection: &mut PgConnection,
        failed: &[FailedKey<'_>],
        stamp: Stamp,
        first_delay: Option<Duration>,
    ) -> Result<Vec<usize>, DatabaseError> {
        if failed.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<&Key> = failed.iter().map(|failed| failed.key).collect();
        let attempts: Vec<i32> = failed.iter().map(|failed| failed.attempts.saturating_add(1)).collect();
        let first = first_delay.unwrap_or(FIRST_DELAY);
        let delays = failed.iter().map(|failed| {
            let failures = u32::try_from(failed.attempts).unwrap_or(0);
            delay(first, LONGEST_DELAY, failures).as_secs_f64()
        });
        let defer = with_keys(&self.defer, self.columns.len(), &keys)
            .bind(stamp)
            .bind(attempts)
            .bind(delays.collect::<Vec<_>>());
        places(&defer.fetch_all(connection).await?)
    }

    /// Makes dead letters of the keys.
    pub(crate) async fn bury(
        &self,
        connection: &mut PgConnection,
        failed: &[FailedKey<'_>],
    ) -> Result<(), DatabaseError> {
        if let Some(bury) = self.bury.as_ref().filter(|_| !failed.is_empty()) {
            let keys: Vec<&Key> = failed.iter().map(|failed| failed.key).collect();
            let steps: Vec<&str> = failed.iter().map(|failed| failed.step).collect();
            let bury = with_keys(bury, self.columns.len(), &keys).bind(steps);
            bury.execute(connection).await?;
        }
        Ok(())
    }

    /// A key with its columns' names.
    pub(crate) fn named(&self, key: &Key) -> Map<String, Value> {
        let values = key.iter().map(|value| {
            if self.is_bytes {
                json!(unescaped(value))
            } else {
                json!(value)
            }
        });
        self.columns.iter().cloned().zip(values).collect()
    }

    /// Records the failures in `ai.vectorizer_errors`.
    pub(crate) async fn record(
        &self,
        connection: &mut PgConnection,
        failed: impl Iterator<Item = FailedKey<'_>>,
    ) -> Result<(), DatabaseError> {
        let (mut messages, mut details) = (Vec::new(), Vec::new());
        for failed in failed {
            messages.push(format!("{} failed", failed.step));
            // a jsonb cannot hold NUL
            let reason = failed.reason.replace('\0', "");
            let (key, attempt) = (self.named(failed.key), failed.attempts.saturating_add(1));
            let of = json!({"step": failed.step, "error_reason": reason, "key": key, "attempt": attempt});
            details.push(of.to_string());
        }
        if !messages.is_empty() {
            let record = statement(&self.record).bind(self.id).bind(messages).bind(details);
            record.execute(connection).await?;
        }
        Ok(())
    }
}

/// Records in `ai.vectorizer_errors` what is no row's fault.
pub(crate) async fn record_error(
    database: &Database,
    vectorizer: i32,
    message: &str,
    reason: &str,
) -> Result<(), DatabaseError> {
    let details = json!({"error_reason": database.storable(reason).await});
    let record = statement(&Sql::from(RECORD))
        .bind(vectorizer)
        .bind(vec![message.to_owned()]);
    record.bind(vec![details.to_string()]).execute_on(database).await?;
    Ok(())
}

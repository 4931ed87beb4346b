//! Rows that fail: attempts are counted in the queue, after the last one the key is a dead letter, and each is recorded with its reason.

use std::time::Duration;

use sea_orm::sqlx::{Error, PgConnection, Row};
use serde_json::json;

use crate::worker::backoff::delay;
use crate::worker::connection::{Database, On as _};
use crate::worker::event::DeadLetter;
use crate::worker::prepare::Assignment;
use crate::worker::queue::key_sql::{Key, Names, Sql, statement, with_keys};
use crate::worker::queue::{Stamp, mine, ordinal};
use crate::worker::write::commit::{Item, Outcome};

/// The wait after the first failed attempt; it doubles.
const FIRST_DELAY: Duration = Duration::from_secs(15);
/// The longest wait between attempts.
const LONGEST_DELAY: Duration = Duration::from_mins(30);

const RECORD: &str = "insert into ai._vectorizer_errors (id, message, details) \
                      select $1, e.message, e.details::jsonb from unnest($2::text[], $3::text[]) as e (message, details)";

const LOADING: &str = "loading";

/// Why a row failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// `loading`, `chunking`, `embedding` or `writing`: the dead letter's `failure_step`.
    pub(crate) step: &'static str,
    pub(crate) reason: String,
}

impl Failure {
    pub(crate) fn chunking(reason: String) -> Self {
        let step = "chunking";
        Self { step, reason }
    }

    /// Of a row that could not be read.
    pub(crate) fn loading(reason: String) -> Self {
        let step = LOADING;
        Self { step, reason }
    }

    pub(crate) fn is_loading(&self) -> bool {
        self.step == LOADING
    }
}

/// The statements on failed attempts of one vectorizer.
#[derive(Debug)]
pub(crate) struct Failures {
    id: i32,
    names: Vec<String>,
    defer: Sql,
    bury: Option<Sql>,
    unbury: Option<Sql>,
    record: Sql,
}

impl Failures {
    pub(crate) fn new(names: &Names) -> Self {
        let (attempts, delays) = (names.parameter(2), names.parameter(3));
        let bury = names.failed.as_ref().map(|failed| {
            format!(
                "insert into {failed} ({}, failure_step) select {}, (${}::text[])[k.n] from {}",
                names.columns(""),
                names.typed().join(", "),
                names.parameter(1),
                names.given(),
            )
            .into()
        });
        let unbury = names.failed.as_ref().map(|failed| {
            format!(
                "delete from {failed} f using {} where {}",
                names.given(),
                names.matches("f")
            )
            .into()
        });
        Self {
            id: names.id,
            names: names.keys.iter().map(|key| key.name.clone()).collect(),
            defer: format!(
                "{}, deferred as (update {} q set loading_retries = (${attempts}::int[])[mine.n], \
                 loading_retry_after = date_trunc('milliseconds', clock_timestamp() + make_interval(secs => (${delays}::float8[])[mine.n])) \
                 from mine where q.ctid = mine.at returning mine.n) select distinct n from deferred",
                mine(names),
                names.queue,
            )
            .into(),
            bury,
            unbury,
            record: RECORD.into(),
        }
    }

    /// Whether there is a table for dead letters; pgai's first versions have none.
    pub(crate) fn can_bury(&self) -> bool {
        self.bury.is_some()
    }

    /// Counts an attempt of the items at `places` and leaves them in the queue for later; tells which (from 0, among `places`)
    /// were still this batch's.
    pub(crate) async fn defer(
        &self,
        connection: &mut PgConnection,
        items: &[&Item],
        places: &[usize],
        stamp: Stamp,
        assignment: &Assignment,
    ) -> Result<Vec<usize>, Error> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<&Key> = places.iter().map(|&place| &items[place].key).collect();
        let attempts: Vec<i32> = places
            .iter()
            .map(|&place| items[place].attempts.saturating_add(1))
            .collect();
        let first = assignment.retry_delay.unwrap_or(FIRST_DELAY);
        let delays: Vec<f64> = attempts
            .iter()
            .map(|&attempts| delay(first, LONGEST_DELAY, u32::try_from(attempts - 1).unwrap_or_default()).as_secs_f64())
            .collect();
        let deferred = with_keys(&self.defer, self.names.len(), &keys)
            .bind(stamp)
            .bind(attempts)
            .bind(delays);
        let deferred = deferred.fetch_all(connection).await?;
        deferred.iter().map(|row| ordinal(row.try_get(0)?)).collect()
    }

    /// Makes dead letters of the items at `places`.
    pub(crate) async fn bury(
        &self,
        connection: &mut PgConnection,
        items: &[&Item],
        places: &[usize],
    ) -> Result<(), Error> {
        let Some(bury) = self.bury.as_ref().filter(|_| !places.is_empty()) else {
            return Ok(());
        };
        let keys: Vec<&Key> = places.iter().map(|&place| &items[place].key).collect();
        let steps: Vec<&str> = places
            .iter()
            .filter_map(|&place| failure(items[place]))
            .map(|f| f.step)
            .collect();
        with_keys(bury, self.names.len(), &keys)
            .bind(steps)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Removes the dead letters of keys that are no longer given up, or will be anew.
    pub(crate) async fn unbury(&self, connection: &mut PgConnection, keys: &[&Key]) -> Result<(), Error> {
        if let Some(unbury) = self.unbury.as_ref().filter(|_| !keys.is_empty()) {
            with_keys(unbury, self.names.len(), keys).execute(connection).await?;
        }
        Ok(())
    }

    /// A key with its columns' names.
    fn key(&self, key: &Key) -> serde_json::Map<String, serde_json::Value> {
        let values = key.iter().map(|value| json!(value));
        self.names.iter().cloned().zip(values).collect()
    }

    /// What is said of an item that has failed for the last time.
    pub(crate) fn letter(&self, vectorizer: &str, item: &Item) -> Option<DeadLetter> {
        let Failure { step, reason } = failure(item)?.clone();
        Some(DeadLetter {
            vectorizer: vectorizer.to_owned(),
            key: self.key(&item.key),
            step,
            reason,
        })
    }

    /// Records the failures of the items at `places` where people look for them.
    pub(crate) async fn record(
        &self,
        connection: &mut PgConnection,
        items: &[&Item],
        places: impl Iterator<Item = usize>,
    ) -> Result<(), Error> {
        let (mut messages, mut details) = (Vec::new(), Vec::new());
        for item in places.map(|place| items[place]) {
            let Some(failure) = failure(item) else { continue };
            let key = self.key(&item.key);
            messages.push(format!("{} failed", failure.step));
            // a jsonb cannot hold NUL
            let reason = failure.reason.replace('\0', "");
            let details_of =
                json!({"step": failure.step, "error_reason": reason, "key": key, "attempt": item.attempts + 1});
            details.push(details_of.to_string());
        }
        if messages.is_empty() {
            return Ok(());
        }
        statement(&self.record)
            .bind(self.id)
            .bind(messages)
            .bind(details)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// Records trouble that is no row's.
pub(crate) async fn record_trouble(
    database: &Database,
    vectorizer: i32,
    message: &str,
    details: &serde_json::Value,
) -> Result<(), Error> {
    let record = statement(&Sql::from(RECORD))
        .bind(vectorizer)
        .bind(vec![message.to_owned()]);
    record.bind(vec![details.to_string()]).execute_on(database).await?;
    Ok(())
}

fn failure(item: &Item) -> Option<&Failure> {
    match &item.outcome {
        Outcome::Failed(failure) => Some(failure),
        Outcome::Chunks(_) | Outcome::Column(_) => None,
    }
}

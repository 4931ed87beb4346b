//! The catalog's worker tables: they say that this worker runs, and what it did.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::sqlx::{Row as _, query};
use tracing::{debug, warn};

use crate::worker::connection::{Database, On as _};
use crate::worker::counts::Counts;
use crate::worker::database_error::DatabaseError;

/// How often a worker says that it runs.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Reports what was done, in one transaction. It does not wait for the disk, so a server that crashes may lose it.
const DONE: &str = "select case when $3 > 0 then ai._worker_progress($1, $2, $3, null) end \
                    , ai._worker_usage($2, $3, $4, $5), set_config('synchronous_commit', 'off', true)";

/// One worker's entry in `ai.vectorizer_worker_process`.
#[derive(Clone, Debug)]
pub(crate) struct Tracking {
    pool: Database,
    entry: Arc<Mutex<Entry>>,
    since_last: Arc<Mutex<SinceLast>>,
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    /// The database was not there.
    NotYet,
    /// The catalog has no worker tables, or they may not be written.
    Refused,
    Made {
        id: Uuid,
        /// Whether the catalog keeps speed and tokens.
        keeps_usage: bool,
        /// Whether it keeps what vectorizers wait for.
        keeps_waits: bool,
    },
}

#[derive(Debug, Default)]
struct SinceLast {
    successes: i32,
    errors: i32,
    message: Option<String>,
}

impl Tracking {
    pub(crate) fn new(pool: Database) -> Self {
        Self {
            pool,
            entry: Arc::new(Mutex::new(Entry::NotYet)),
            since_last: Arc::default(),
        }
    }

    fn entry(&self) -> Entry {
        *self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters the worker, unless it is entered. A catalog that cannot be written is left alone.
    pub(crate) async fn start(&self) {
        if !matches!(self.entry(), Entry::NotYet) {
            return;
        }
        let start = query("select ai._worker_start($1, make_interval(secs => $2))")
            .bind(concat!("pgai-sea ", env!("CARGO_PKG_VERSION")))
            .bind(HEARTBEAT.as_secs_f64());
        let started: Result<Uuid, DatabaseError> = async { Ok(start.one_on(&self.pool).await?.try_get(0)?) }.await;
        let entry = match started {
            Ok(id) => Entry::Made {
                id,
                keeps_usage: may(&self.pool, "ai.vectorizer_worker_usage", "insert, update").await,
                keeps_waits: may(&self.pool, "ai.vectorizer_worker_wait", "insert, update, delete").await,
            },
            Err(error) => {
                debug!(%error, "the worker is not tracked in the catalog");
                if error.has_state(&["3F", "42"]) {
                    Entry::Refused
                } else {
                    Entry::NotYet
                }
            }
        };
        *self.entry.lock().unwrap_or_else(PoisonError::into_inner) = entry;
    }

    /// Says now and then that the worker runs. Never ends.
    pub(crate) async fn beat(self) {
        loop {
            self.start().await;
            self.heartbeat().await;
            tokio::time::sleep(HEARTBEAT).await;
        }
    }

    /// Says so once.
    pub(crate) async fn heartbeat(&self) {
        let Entry::Made { id, .. } = self.entry() else { return };
        let since = std::mem::take(&mut *self.lock());
        let beat = query("select ai._worker_heartbeat($1, $2, $3, $4)")
            .bind(id)
            .bind(since.successes)
            .bind(since.errors);
        if let Err(error) = beat.bind(since.message.clone()).execute_on(&self.pool).await {
            warn!(%error, "the heartbeat could not be written");
            let mut now = self.lock();
            now.successes += since.successes;
            now.errors += since.errors;
            now.message = now.message.take().or(since.message);
        }
    }

    /// A vectorizer's rows were worked on for so long.
    pub(crate) async fn success(&self, vectorizer: i32, done: Counts, time: Duration) {
        let rows = i32::try_from(done.rows).unwrap_or(i32::MAX);
        if rows == 0 && done.input_tokens.is_none() {
            return;
        }
        {
            let mut since = self.lock();
            since.successes = since.successes.saturating_add(rows);
        }
        let Entry::Made { id, keeps_usage, .. } = self.entry() else {
            return;
        };
        if !keeps_usage {
            if rows > 0 {
                self.progress(vectorizer, rows, None).await;
            }
            return;
        }
        let tokens = done.input_tokens;
        let tokens = tokens.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX));
        let done = query(DONE)
            .bind(id)
            .bind(vectorizer)
            .bind(rows)
            .bind(time.as_secs_f64())
            .bind(tokens);
        if let Err(error) = done.execute_on(&self.pool).await {
            warn!(%error, vectorizer, "the progress could not be written");
        }
    }

    /// Something is wrong with a vectorizer.
    pub(crate) async fn error(&self, vectorizer: i32, message: &str) {
        let message = self.pool.storable(message).await;
        {
            let mut since = self.lock();
            since.errors = since.errors.saturating_add(1);
            since.message = Some(message.clone());
        }
        self.progress(vectorizer, 0, Some(&message)).await;
    }

    /// A vectorizer waits. `None`: nobody tries again by itself.
    pub(crate) async fn waits(
        &self,
        vectorizer: i32,
        message: &str,
        (needs_change, is_meant): (bool, bool),
        wait: Option<Duration>,
    ) {
        let Entry::Made {
            id, keeps_waits: true, ..
        } = self.entry()
        else {
            return;
        };
        let waits = query("select ai._worker_waits($1, $2, $3, $4, $5, $6)")
            .bind(id)
            .bind(vectorizer)
            .bind(wait.map(|wait| wait.as_secs_f64()))
            .bind(needs_change)
            .bind(self.pool.storable(message).await)
            .bind(is_meant);
        if let Err(error) = waits.execute_on(&self.pool).await {
            debug!(%error, vectorizer, "what the vectorizer waits for could not be written");
        }
    }

    /// A vectorizer waits no longer.
    pub(crate) async fn works(&self, vectorizer: i32) {
        if let Entry::Made { keeps_waits: true, .. } = self.entry() {
            let works = query("select ai._worker_works($1)").bind(vectorizer);
            if let Err(error) = works.execute_on(&self.pool).await {
                debug!(%error, vectorizer, "that the vectorizer works could not be written");
            }
        }
    }

    async fn progress(&self, vectorizer: i32, rows: i32, message: Option<&str>) {
        let Entry::Made { id, .. } = self.entry() else { return };
        let progress = query("select ai._worker_progress($1, $2, $3, $4)")
            .bind(id)
            .bind(vectorizer)
            .bind(rows);
        if let Err(error) = progress.bind(message.map(str::to_owned)).execute_on(&self.pool).await {
            warn!(%error, vectorizer, "the progress could not be written");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SinceLast> {
        self.since_last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is such a table, which pgai's catalog has not, and this role may write it.
async fn may(pool: &Database, table: &str, privileges: &str) -> bool {
    // each of them: a list of privileges asks for any
    let sql = "select bool_and(coalesce(has_table_privilege(to_regclass($1), p), false))
               from unnest(string_to_array($2, ', ')) p";
    let may: Result<bool, DatabaseError> = async {
        let asked = query(sql).bind(table.to_owned()).bind(privileges.to_owned());
        Ok(asked.one_on(pool).await?.try_get(0)?)
    }
    .await;
    may.unwrap_or(false)
}

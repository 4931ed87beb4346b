//! Orphans: embeddings whose source row is gone.
//!
//! On pgai's catalog, a transaction at REPEATABLE READ or above can delete a row without seeing the embeddings that
//! were committed after its snapshot. They stay. On either catalog, no trigger sees rows that go with their partition.
//!
//! Finding orphans takes a look at the whole store, so the worker does it in slices, from time to time. It only queues
//! what it finds. Whoever claims the key finds no row, under the locks that every write takes, and removes the chunks.
//! A row that comes back meanwhile is embedded as any other.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::sqlx::Row as _;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info};

use super::gone_dead_letters::GoneDeadLetters;
use crate::sql::quote_literal;
use crate::worker::backoff::random;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{KeySql, Sql, statement};

/// Chunks in a slice.
const SLICE: i64 = 1_000;
/// The worker rests at least so long between two slices ..
const REST: Duration = Duration::from_secs(1);
/// .. and so many times as long as the slice took.
const SHARE: u32 = 100;
/// The wait between two searches of the whole store.
const BETWEEN: Duration = Duration::from_hours(1);
/// Chunks in a slice at the end of a single run, which has nothing else to do ..
const SLICE_ONCE: i64 = 10_000;
/// .. and the most such slices. They cover a store of 100,000 chunks. Of a larger one each run takes another part.
const SLICES_ONCE: u32 = 10;

/// The statements that look for what a vectorizer's rows have left behind.
#[derive(Debug)]
pub(crate) struct Orphans {
    vectorizer: String,
    /// `None` where no orphans are left.
    slice: Option<Sql>,
    /// Dead letters are looked for whenever a search begins.
    gone_dead_letters: Option<GoneDeadLetters>,
}

/// The result of a slice.
#[derive(Clone, Copy, Debug)]
struct Slice {
    /// Its last chunk; `None` at the end of the store.
    last: Option<Uuid>,
    /// Keys that it queued.
    queued: i64,
}

impl Orphans {
    /// `store` is the table where there may be orphans.
    pub(crate) fn new(vectorizer: &str, key_sql: &KeySql, store: Option<&str>) -> Self {
        Self {
            vectorizer: vectorizer.to_owned(),
            slice: store.map(|store| Self::slice_of(key_sql, store).into()),
            gone_dead_letters: GoneDeadLetters::new(key_sql),
        }
    }

    fn slice_of(key_sql: &KeySql, store: &str) -> String {
        let KeySql { queue, source, .. } = key_sql;
        let columns = key_sql.columns("");
        let (has_row, is_queued) = (key_sql.same("r", "s"), key_sql.same("q", "g"));
        // a worker that may not see all rows must not take them for gone
        let sees_all = format!("not row_security_active({})", quote_literal(source));
        format!(
            "with slice as materialized (select embedding_uuid, {columns} from {store} \
                 where embedding_uuid > $1 order by embedding_uuid limit $2), \
             gone as materialized (select distinct {columns}, now() as moment from slice s \
                 where {sees_all} and not exists (select 1 from {source} r where {has_row})), \
             queued as (insert into {queue} ({columns}, queued_at) select {columns}, moment from gone g \
                 where not exists (select 1 from {queue} q where {is_queued}) returning 1) \
             select (select embedding_uuid from slice order by embedding_uuid desc limit 1), (select count(*) \
             from queued)"
        )
    }

    async fn forget_letters(&self, pool: &Database) {
        if let Some(letters) = &self.gone_dead_letters {
            letters.remove(pool, &self.vectorizer).await;
        }
    }

    /// Looks at the chunks after this one, up to so many.
    async fn slice(&self, pool: &Database, after: Uuid, most: i64) -> Result<Slice, DatabaseError> {
        let Some(slice) = &self.slice else {
            return Ok(Slice { last: None, queued: 0 });
        };
        let row = statement(slice).bind(after).bind(most).one_on(pool).await?;
        Ok(Slice {
            last: row.try_get(0)?,
            queued: row.try_get(1)?,
        })
    }
}

/// Looks for a vectorizer's orphans beside its other work.
#[derive(Debug)]
pub(crate) struct OrphanSearch {
    /// The slice under way, and how long it took.
    task: JoinSet<(Result<Slice, DatabaseError>, Duration)>,
    next: Instant,
    after: Uuid,
}

impl OrphanSearch {
    pub(crate) fn new() -> Self {
        Self {
            task: JoinSet::new(),
            next: Instant::now(),
            after: Uuid::nil(),
        }
    }

    /// Begins the next slice if it is time to.
    pub(crate) fn tend(&mut self, pool: &Database, orphans: &Arc<Orphans>) {
        if let Some(ended) = self.task.try_join_next() {
            let (slice, took) = ended.unwrap_or_else(|error| {
                let error = DatabaseError::Panicked(format!("looking for orphans stopped unexpectedly: {error}"));
                (Err(error), Duration::ZERO)
            });
            // after an error the store is searched from its beginning, next time
            let last = orphans.logged(slice).and_then(|slice| slice.last);
            self.after = last.unwrap_or_default();
            let rest = if last.is_some() {
                REST.max(took * SHARE)
            } else {
                BETWEEN
            };
            self.next = Instant::now() + rest;
        }
        if self.task.is_empty() && Instant::now() >= self.next {
            let (pool, orphans, after) = (pool.clone(), Arc::clone(orphans), self.after);
            self.task.spawn(async move {
                let started = Instant::now();
                if after.is_nil() {
                    orphans.forget_letters(&pool).await;
                }
                (orphans.slice(&pool, after, SLICE).await, started.elapsed())
            });
        }
    }
}

impl Orphans {
    /// Looks for orphans at the end of a single run, from anywhere in the store. Returns whether there is work now.
    pub(crate) async fn search_once(&self, pool: &Database) -> bool {
        self.forget_letters(pool).await;
        let begin = Uuid::from_u64_pair(random(), random());
        let (mut after, mut has_turned, mut queued) = (begin, false, 0);
        for _ in 0..SLICES_ONCE {
            let Some(slice) = self.logged(self.slice(pool, after, SLICE_ONCE).await) else {
                break;
            };
            queued += slice.queued;
            match slice.last {
                Some(last) => after = last,
                None if has_turned => break,
                None => (after, has_turned) = (Uuid::nil(), true),
            }
            if has_turned && after >= begin {
                break;
            }
        }
        queued > 0
    }

    fn logged(&self, slice: Result<Slice, DatabaseError>) -> Option<Slice> {
        let vectorizer = &self.vectorizer;
        match slice {
            Ok(slice) => {
                if slice.queued > 0 {
                    info!(vectorizer, keys = slice.queued, "queued embeddings whose rows are gone");
                }
                Some(slice)
            }
            Err(error) => {
                // pgai does not grant its workers the privilege to insert into a queue
                if error.has_state(&["42501"]) {
                    debug!(vectorizer, %error, "embeddings whose rows are gone cannot be queued");
                } else {
                    info!(vectorizer, %error, "cannot look for embeddings whose rows are gone");
                }
                None
            }
        }
    }
}

//! Embeddings whose row is gone: on pgai's catalog a transaction at REPEATABLE READ or above can delete a row without seeing the embeddings that
//! were committed after its snapshot was taken, and they stay. On either catalog no trigger sees rows that go with their partition.
//!
//! Finding them takes a look at the whole store, so it is done in slices, from time to time. What is found is queued and nothing else:
//! whoever claims the key finds no row, under the locks that every write takes, and removes what is left of it. A row that comes back
//! meanwhile is embedded as any other.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::sqlx::{Error, Row as _};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::sql::quote_literal;
use crate::worker::backoff::random;
use crate::worker::batch::stop_reason::class_is;
use crate::worker::connection::{Database, On as _};
use crate::worker::prepare::Assignment;
use crate::worker::queue::key_sql::{Names, Sql, statement};

/// Chunks in a slice.
const SLICE: i64 = 1_000;
/// Between two slices it rests at least so long, and so many times as long as the slice took.
const REST: Duration = Duration::from_secs(1);
const SHARE: u32 = 100;
/// Between two sweeps of the whole store.
const BETWEEN: Duration = Duration::from_hours(1);
/// Slices at the end of a single run: all of a store of 100,000 chunks, of a larger one another part each time.
const SLICES_ONCE: u32 = 100;

/// The statement on one store.
#[derive(Debug)]
pub(crate) struct Orphans {
    slice: Sql,
}

/// What a slice came to.
#[derive(Clone, Copy, Debug)]
struct Slice {
    /// Its last chunk; `None` at the end of the store.
    last: Option<Uuid>,
    /// Keys that were queued.
    queued: i64,
}

impl Orphans {
    pub(crate) fn new(names: &Names, store: &str) -> Self {
        let Names { queue, source, .. } = names;
        let columns = names.columns("");
        let (has_row, is_queued) = (names.same("r", "s"), names.same("q", "g"));
        // who may not see all rows must not take them for gone
        let sees_all = format!("not row_security_active({})", quote_literal(source));
        Self {
            slice: format!(
                "with slice as materialized (select embedding_uuid, {columns} from {store} \
                     where embedding_uuid > $1 order by embedding_uuid limit $2), \
                 gone as (select distinct {columns} from slice s where {sees_all} and not exists (select from {source} r where {has_row})), \
                 queued as (insert into {queue} ({columns}) select {columns} from gone g \
                     where not exists (select from {queue} q where {is_queued}) returning 1) \
                 select (select embedding_uuid from slice order by embedding_uuid desc limit 1), (select count(*) from queued)"
            )
            .into(),
        }
    }

    async fn slice(&self, pool: &Database, after: Uuid) -> Result<Slice, Error> {
        let row = statement(&self.slice).bind(after).bind(SLICE).one_on(pool).await?;
        Ok(Slice {
            last: row.try_get(0)?,
            queued: row.try_get(1)?,
        })
    }
}

/// Sweeps a vectorizer's store beside the lane's other work.
#[derive(Debug)]
pub(crate) struct Sweeper {
    /// The slice under way, and how long it took.
    task: JoinSet<(Result<Slice, Error>, Duration)>,
    next: Instant,
    after: Uuid,
}

impl Sweeper {
    pub(crate) fn new() -> Self {
        Self {
            task: JoinSet::new(),
            next: Instant::now(),
            after: Uuid::nil(),
        }
    }

    /// Begins the next slice if it is time to.
    pub(crate) fn tend(&mut self, pool: &Database, assignment: &Arc<Assignment>) {
        if assignment.orphans.is_none() {
            return;
        }
        if let Some(ended) = self.task.try_join_next() {
            // a slice that broke off is tried again at the next sweep
            let (slice, took) = ended.unwrap_or_else(|_| (Err(Error::WorkerCrashed), Duration::ZERO));
            let last = said(assignment, slice).and_then(|slice| slice.last);
            self.after = last.unwrap_or_default();
            let rest = if last.is_some() {
                REST.max(took * SHARE)
            } else {
                BETWEEN
            };
            self.next = Instant::now() + rest;
        }
        if self.task.is_empty() && Instant::now() >= self.next {
            let (pool, assignment, after) = (pool.clone(), Arc::clone(assignment), self.after);
            self.task.spawn(async move {
                let started = Instant::now();
                let slice = match &assignment.orphans {
                    Some(orphans) => orphans.slice(&pool, after).await,
                    None => Ok(Slice { last: None, queued: 0 }),
                };
                (slice, started.elapsed())
            });
        }
    }

    /// Sweeps at the end of a single run, from anywhere in the store; answers whether there is work now.
    pub(crate) async fn finish(&mut self, pool: &Database, assignment: &Assignment) -> bool {
        let Some(orphans) = &assignment.orphans else {
            return false;
        };
        let begin = Uuid::from_u64_pair(random(), random());
        let (mut after, mut has_turned, mut queued) = (begin, false, 0);
        for _ in 0..SLICES_ONCE {
            let Some(slice) = said(assignment, orphans.slice(pool, after).await) else {
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
}

fn said(assignment: &Assignment, slice: Result<Slice, Error>) -> Option<Slice> {
    match slice {
        Ok(slice) => {
            if slice.queued > 0 {
                info!(
                    vectorizer = assignment.name,
                    keys = slice.queued,
                    "embeddings whose rows are gone are queued"
                );
            }
            Some(slice)
        }
        Err(error) => {
            // pgai grants its workers no right to insert into a queue
            if class_is(&error, &["42501"]) {
                debug!(vectorizer = assignment.name, %error, "embeddings whose rows are gone cannot be queued");
            } else {
                info!(vectorizer = assignment.name, %error, "embeddings whose rows are gone cannot be looked for");
            }
            None
        }
    }
}

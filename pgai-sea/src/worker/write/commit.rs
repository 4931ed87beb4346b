//! The transaction that ends a batch. It makes the store hold exactly the chunks of each key's current text, or counts
//! a failed attempt, and takes the key off the queue. ARCHITECTURE.md says why its statements come in this order.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::PgConnection;
use tracing::{Instrument, debug_span};

use super::configuration::Configuration;
use super::embedding_column::EmbeddingColumn;
use super::source::Source;
use super::store::Store;
use crate::worker::batch::chunk_change::ChunkChange;
use crate::worker::batch::item::{Item, Outcome, Vectors};
use crate::worker::batch::stop_reason::StopReason;
use crate::worker::connection::{Database, LockWait};
use crate::worker::counts::Counts;
use crate::worker::database_error::DatabaseError;
use crate::worker::protocol::Step;
use crate::worker::queue::dead_letters::{DeadLetters, FailedKey};
use crate::worker::queue::key_sql::Key;
use crate::worker::queue::{Queue, Stamp};

/// A key whose row or advisory lock someone else holds is claimed again after this time.
const BUSY_DELAY: Duration = Duration::from_secs(1);
/// The time that an index may need for a chunk, on top of the time of a statement.
const CHUNK: Duration = Duration::from_millis(50);
/// A transaction that meets a serialization failure or a deadlock is tried so often.
const TRIES: u32 = 4;
/// The longest wait for locks. The lease is not renewed meanwhile. After that the keys go back to the queue, and the
/// vectors are kept.
const LOCKED: Duration = Duration::from_secs(15);

/// Where embeddings go.
#[derive(Debug)]
pub(crate) enum Destination {
    Table(Store),
    Column(EmbeddingColumn),
}

/// How often and when a failed row is tried again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retries {
    /// Attempts after the first one, as `loading_column(retries => ..)` says.
    pub(crate) most: i32,
    /// The wait after the first failed attempt.
    pub(crate) first_delay: Option<Duration>,
}

/// Writes the batches of one vectorizer.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) vectorizer: String,
    pub(crate) configuration: Configuration,
    pub(crate) queue: Arc<Queue>,
    pub(crate) source: Source,
    pub(crate) destination: Destination,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) retries: Retries,
}

/// What became of the items of a batch.
#[derive(Debug, Default)]
pub(crate) struct BatchOutcome {
    pub(crate) counts: Counts,
    /// Items (from 0) that have failed for the last time.
    pub(crate) dead: Vec<usize>,
    /// Rows that got the embeddings of the text that was read, while a later edit of theirs is in the queue.
    pub(crate) overtaken: u64,
    /// Items (from 0) that changed meanwhile or were busy. They are back in the queue.
    pub(crate) released: Vec<usize>,
    /// Items (from 0) that could not be written and were charged for it.
    pub(crate) failed: Vec<usize>,
    /// Keys whose lease another worker had taken over.
    pub(crate) lost: u64,
}

impl BatchOutcome {
    /// Adds the outcome of a transaction on one item, the one at `place`.
    pub(crate) fn add(&mut self, one: &Self, place: usize) {
        self.counts += one.counts;
        self.dead.extend(one.dead.iter().map(|_| place));
        self.overtaken += one.overtaken;
        self.released.extend(one.released.iter().map(|_| place));
        self.lost += one.lost;
    }
}

/// What the locks and a second look at the source say about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The row is as it was embedded.
    Unchanged,
    /// The row does not exist any more.
    Gone,
    /// The row has other text now. Its edit has queued it.
    Changed,
    /// The row has other text now, and the edit's queue row is still there.
    Overtaken,
    /// Someone else works on the row.
    Busy,
}

/// What is to be written for an item.
#[derive(Debug)]
enum Planned {
    Chunks(ChunkChange),
    Column(Option<usize>),
    /// The store changed since the change was planned.
    Outdated,
}

impl Writer {
    /// Carries out the outcomes of all items, or on an error of none.
    pub(crate) async fn commit(
        &self,
        pool: &Database,
        items: &[&Item],
        stamp: Stamp,
        vectors: Vectors<'_>,
    ) -> Result<BatchOutcome, DatabaseError> {
        let span = debug_span!("commit", vectorizer = self.vectorizer, rows = items.len());
        let chunks: usize = items.iter().map(|item| item.outcome.chunks()).sum();
        let patience = pool.patience() + CHUNK * u32::try_from(chunks).unwrap_or(u32::MAX);
        let mut tries = 1;
        let locks = LockWait::new(LOCKED.min(patience));
        loop {
            let mut transaction = pool.begin(patience).await?;
            let work = async {
                let outcome = self
                    .transact(pool, transaction.connection(), items, stamp, vectors)
                    .await;
                transaction.end(outcome).await
            };
            let outcome = pool.wait(patience, work.instrument(span.clone())).await;
            // A silent connection may have committed. Then the keys are off the queue; otherwise their lease runs out.
            let outcome = outcome.unwrap_or_else(|| Err(transaction.silent()));
            if outcome.is_ok() {
                Step::Commit.done();
            }
            match outcome {
                Err(error) if tries < TRIES && error.has_state(&["40"]) => tries += 1,
                Err(error) => locks.wait(error).await?,
                Ok(outcome) => return Ok(outcome),
            }
        }
    }

    /// Locks rows as a write does, and lets them go.
    ///
    /// # Errors
    ///
    /// Says that they cannot be locked, if it is not the database that cannot do anything now.
    pub(crate) async fn check_lock(&self, pool: &Database, keys: &[&Key]) -> Result<(), StopReason> {
        let locks = LockWait::new(pool.patience());
        loop {
            let mut transaction = pool.begin(pool.patience()).await?;
            let work = async {
                let locked = self.source.lock(transaction.connection(), keys).await;
                transaction.end(locked).await
            };
            let locked = pool.wait(pool.patience(), work).await;
            let Err(error) = locked.unwrap_or_else(|| Err(transaction.silent())) else {
                return Ok(());
            };
            let Err(error) = locks.wait(error).await else { continue };
            return Err(match StopReason::from(error) {
                StopReason::Refused(reason) => StopReason::Configuration(format!(
                    "rows of {} cannot be locked, and without a lock no embedding can be written: {reason}",
                    self.source.name()
                )),
                reason => reason,
            });
        }
    }

    async fn transact(
        &self,
        pool: &Database,
        connection: &mut PgConnection,
        items: &[&Item],
        stamp: Stamp,
        vectors: Vectors<'_>,
    ) -> Result<BatchOutcome, DatabaseError> {
        let keys: Vec<&Key> = items.iter().map(|item| &item.key).collect();

        let mut verdicts = self.verdicts(connection, items, &keys, stamp).await?;
        self.overtake(connection, items, &keys, &mut verdicts, stamp).await?;
        let mut planned = self.plan(connection, items, &keys, &verdicts).await?;
        // the plan has read the store, so no cut-over gets its lock before the end
        pool.leave_role(connection).await?;
        self.configuration.check(connection).await?;
        pool.take_role(connection).await?;
        Step::Look.done();
        let (mut finishing, mut failing) = (Vec::new(), Vec::new());
        let (mut changed, mut busy) = (Vec::new(), Vec::new());
        for (place, item) in items.iter().enumerate() {
            match (verdicts[place], &planned[place]) {
                (Verdict::Busy, _) => busy.push(place),
                (Verdict::Changed, _) | (Verdict::Unchanged | Verdict::Overtaken, Planned::Outdated) => {
                    changed.push(place);
                }
                (Verdict::Unchanged, _) if item.failure().is_some() && self.tries_again(item) => failing.push(place),
                _ => finishing.push(place),
            }
        }

        let finished = self.queue.finish(connection, &at(&finishing, &keys), stamp).await?;
        if !finishing.is_empty() {
            Step::Finish.done();
        }
        let finished = at(&finished, &finishing);
        let failures = failed_keys(items, &failing);
        let deferred = self
            .dead_letters
            .defer(connection, &failures, stamp, self.retries.first_delay)
            .await?;
        let deferred = at(&deferred, &failing);

        let mut outcome = BatchOutcome {
            lost: (finishing.len() + failing.len() - finished.len() - deferred.len()) as u64,
            ..BatchOutcome::default()
        };
        let mut writing: Vec<(&Key, Planned)> = Vec::new();
        for place in finished {
            if items[place].failure().is_some() && verdicts[place] == Verdict::Unchanged {
                outcome.dead.push(place);
            } else if verdicts[place] == Verdict::Overtaken {
                outcome.overtaken += 1;
            } else {
                outcome.counts.rows += 1;
            }
            let planned = std::mem::replace(&mut planned[place], Planned::Outdated);
            writing.push((keys[place], planned));
        }
        if !writing.is_empty() {
            self.write(connection, &writing, vectors, &mut outcome.counts).await?;
            Step::Write.done();
        }
        outcome.counts.deferred = deferred.len() as u64;
        outcome.counts.dead_letters = outcome.dead.len() as u64;
        let (dead, deferred) = (failed_keys(items, &outcome.dead), failed_keys(items, &deferred));
        self.dead_letters.bury(connection, &dead).await?;
        if !deferred.is_empty() || !dead.is_empty() {
            // the catalog's table is the worker's to write, and not the owner's
            pool.leave_role(connection).await?;
            self.dead_letters
                .record(connection, deferred.into_iter().chain(dead))
                .await?;
            pool.take_role(connection).await?;
        }

        let (changed_keys, busy_keys) = (at(&changed, &keys), at(&busy, &keys));
        self.queue
            .release(connection, &changed_keys, stamp, Duration::ZERO)
            .await?;
        self.queue.release(connection, &busy_keys, stamp, BUSY_DELAY).await?;
        outcome.released = [changed, busy].concat();
        Ok(outcome)
    }

    /// Whether an item that has failed once more is tried again. As in pgai, the first attempt is no retry. What can
    /// only fail again is not tried.
    fn tries_again(&self, item: &Item) -> bool {
        let is_final = item.failure().is_some_and(|failure| failure.is_final);
        (item.attempts < self.retries.most && !is_final) || !self.dead_letters.can_bury()
    }

    /// Locks rows and keys first. Only statements after that may decide anything.
    async fn verdicts(
        &self,
        connection: &mut PgConnection,
        items: &[&Item],
        keys: &[&Key],
        stamp: Stamp,
    ) -> Result<Vec<Verdict>, DatabaseError> {
        let mut locks = self.source.lock(&mut *connection, keys).await?;
        for held in self.queue.held(connection, keys, stamp).await? {
            locks[held].free = false;
        }
        Step::Lock.done();
        let version_of = |item: &Item| item.seen.as_ref().map(|row| row.version.clone());
        let doubtful: Vec<usize> = (0..items.len())
            .filter(|&place| locks[place].free && !items[place].is_unreadable())
            .filter(|&place| locks[place].version.is_none() || locks[place].version != version_of(items[place]))
            .collect();
        let verdicts = locks.iter().zip(items).map(|(lock, item)| match &lock.version {
            _ if !lock.free => Verdict::Busy,
            // it cannot be read now either: another batch takes another version of it
            None if item.is_unreadable() => Verdict::Busy,
            version if item.is_unreadable() && *version != version_of(item) => Verdict::Changed,
            _ => Verdict::Unchanged,
        });
        let mut verdicts: Vec<Verdict> = verdicts.collect();
        if doubtful.is_empty() {
            return Ok(verdicts);
        }
        let rows = self.source.read(&mut *connection, &at(&doubtful, keys)).await?;
        if rows.iter().any(Option::is_none) {
            self.source.check_row_security(&mut *connection).await?;
        }
        for (place, row) in doubtful.into_iter().zip(rows) {
            verdicts[place] = match (&row, &items[place].seen) {
                (None, _) => Verdict::Gone,
                // there, but not locked: a writer has it, or has just inserted it
                (Some(_), _) if locks[place].version.is_none() => Verdict::Busy,
                (Some(now), Some(seen)) if now.says_the_same(seen) => Verdict::Unchanged,
                (Some(_), _) => Verdict::Changed,
            };
        }
        Ok(verdicts)
    }

    /// Finds the changed rows whose embeddings may be written all the same. Without this a row that is edited faster
    /// than it is embedded would have no embeddings for as long as that goes on. It is safe because a queue row stays:
    /// whoever works on that one compares under the locks.
    async fn overtake(
        &self,
        connection: &mut PgConnection,
        items: &[&Item],
        keys: &[&Key],
        verdicts: &mut [Verdict],
        stamp: Stamp,
    ) -> Result<(), DatabaseError> {
        let is_candidate = |place: &usize| {
            let item = items[*place];
            verdicts[*place] == Verdict::Changed && item.seen.is_some() && item.failure().is_none()
        };
        let changed: Vec<usize> = (0..items.len()).filter(is_candidate).collect();
        for number in self.queue.later(connection, &at(&changed, keys), stamp).await? {
            verdicts[changed[number]] = Verdict::Overtaken;
        }
        Ok(())
    }

    /// Compares planned changes with the store under the keys' locks. For rows that are gone or dead it plans to remove
    /// their chunks.
    async fn plan(
        &self,
        connection: &mut PgConnection,
        items: &[&Item],
        keys: &[&Key],
        verdicts: &[Verdict],
    ) -> Result<Vec<Planned>, DatabaseError> {
        let Destination::Table(store) = &self.destination else {
            let vector = |item: &&Item| match item.outcome {
                Outcome::Column(text) => text,
                Outcome::Chunks(_) | Outcome::Failed(_) => None,
            };
            return Ok(items.iter().map(|item| Planned::Column(vector(item))).collect());
        };
        let places = store.places(connection, keys).await?;
        let planned = items
            .iter()
            .zip(verdicts)
            .zip(places)
            .map(|((item, verdict), mut now)| match &item.outcome {
                Outcome::Chunks(change) if matches!(verdict, Verdict::Unchanged | Verdict::Overtaken) => {
                    let mut seen = change.seen.clone();
                    seen.sort_unstable();
                    now.sort_unstable();
                    if seen == now {
                        Planned::Chunks(change.clone())
                    } else {
                        Planned::Outdated
                    }
                }
                _ => Planned::Chunks(ChunkChange::clear(&now)),
            });
        Ok(planned.collect())
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        writing: &[(&Key, Planned)],
        vectors: Vectors<'_>,
        counts: &mut Counts,
    ) -> Result<(), DatabaseError> {
        match &self.destination {
            Destination::Table(store) => {
                let changes = writing.iter().filter_map(|(key, planned)| match planned {
                    Planned::Chunks(change) => Some((*key, change)),
                    Planned::Column(_) | Planned::Outdated => None,
                });
                let changes: Vec<(&Key, &ChunkChange)> = changes.collect();
                for (_, change) in &changes {
                    counts.chunks_written += change.new.len() as u64;
                    counts.chunks_kept += (change.kept + change.moved.len()) as u64;
                }
                store.apply(connection, &changes, vectors).await
            }
            Destination::Column(column) => {
                let values = writing.iter().filter_map(|(key, planned)| match planned {
                    Planned::Column(text) => Some((*key, *text)),
                    Planned::Chunks(_) | Planned::Outdated => None,
                });
                let values: Vec<(&Key, Option<usize>)> = values.collect();
                counts.chunks_written = values.iter().filter(|(_, text)| text.is_some()).count() as u64;
                column.update(connection, &values, vectors).await
            }
        }
    }
}

/// The elements at these places.
fn at<T: Copy>(places: &[usize], all: &[T]) -> Vec<T> {
    places.iter().map(|&place| all[place]).collect()
}

/// The items at these places that have failed.
fn failed_keys<'i>(items: &[&'i Item], places: &[usize]) -> Vec<FailedKey<'i>> {
    let failed = places.iter().filter_map(|&place| {
        let Item { key, attempts, .. } = items[place];
        let failure = items[place].failure()?;
        Some(FailedKey {
            key,
            attempts: *attempts,
            step: failure.step,
            reason: &failure.reason,
        })
    });
    failed.collect()
}

//! The one transaction that ends a batch: makes the store hold exactly the chunks of each key's current text, or counts a failed
//! attempt, and takes the key off the queue. Why its statements come in this order is told in the [module's documentation](super).

use std::time::Duration;

use sea_orm::sqlx::{AssertSqlSafe, Connection as _, Error, PgConnection};
use tokio::time::timeout;
use tracing::{Instrument, debug_span};

use crate::worker::connection::{Database, silent};
use crate::worker::event::DeadLetter;
use crate::worker::prepare::{Assignment, Destination};
use crate::worker::protocol::Step;
use crate::worker::queue::Stamp;
use crate::worker::queue::dead_letters::Failure;
use crate::worker::queue::key_sql::Key;
use crate::worker::write::source::SourceRow;
use crate::worker::write::store::Change;

/// How long a key rests whose row or advisory lock someone else holds.
const REST: Duration = Duration::from_secs(1);
/// What a chunk may take to be written into an index, on top of what any statement may take.
const CHUNK: Duration = Duration::from_millis(50);
/// Serialization failures and deadlocks are tried again so often at once.
const TRIES: u32 = 4;

/// A key, and what is to become of it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) key: Key,
    /// Failed attempts before this one.
    pub(crate) attempts: i32,
    /// The row that was embedded.
    pub(crate) seen: Option<SourceRow>,
    pub(crate) outcome: Outcome,
}

impl Item {
    /// Whether its row could not be read.
    fn is_unreadable(&self) -> bool {
        matches!(&self.outcome, Outcome::Failed(failure) if failure.is_loading())
    }
}

#[derive(Debug)]
pub(crate) enum Outcome {
    /// The chunks of a table destination.
    Chunks(Change),
    /// The vector of a column destination, by its text's number; `None` for NULL.
    Column(Option<usize>),
    /// One attempt more has failed.
    Failed(Failure),
}

impl Outcome {
    /// Chunks to be written.
    fn chunks(&self) -> usize {
        match self {
            Self::Chunks(change) => change.new.len() + change.moved.len(),
            Self::Column(text) => text.iter().len(),
            Self::Failed(_) => 0,
        }
    }
}

/// The batch's texts and their vectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vectors<'b> {
    pub(crate) texts: &'b [String],
    pub(crate) vectors: &'b [Option<Vec<f32>>],
}

/// What became of the items.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Rows whose embeddings are now those of their text.
    pub(crate) rows: u64,
    /// Chunks written with a new embedding.
    pub(crate) written: u64,
    /// Chunks that kept theirs.
    pub(crate) kept: u64,
    /// Rows that failed and will be tried again.
    pub(crate) deferred: u64,
    /// Rows that failed for the last time.
    pub(crate) dead: u64,
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Rows that got the embeddings of the text that was read, while a later edit of theirs is in the queue.
    pub(crate) overtaken: u64,
    /// Items (from 0) that changed meanwhile or were busy: back in the queue.
    pub(crate) released: Vec<usize>,
    /// Items (from 0) that could not be written, and were charged for it.
    pub(crate) failed: Vec<usize>,
    /// Keys whose lease another worker had taken over.
    pub(crate) lost: u64,
}

impl Settled {
    /// Adds what became of one item, the one at `place`.
    pub(crate) fn add(&mut self, one: &Self, place: usize) {
        self.rows += one.rows;
        self.written += one.written;
        self.kept += one.kept;
        self.deferred += one.deferred;
        self.dead += one.dead;
        self.dead_letters.extend(one.dead_letters.iter().cloned());
        self.lost += one.lost;
        self.overtaken += one.overtaken;
        self.released.extend(one.released.iter().map(|_| place));
    }
}

/// What the locks and a second look at the source say about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Still as it was embedded.
    Unchanged,
    /// The row does not exist any more.
    Gone,
    /// Other text now; its edit has queued it.
    Changed,
    /// Other text now, and the edit's queue row is still there.
    Overtaken,
    /// Someone else is at it.
    Busy,
}

/// Carries out the items' outcomes; all of them, or on an error none.
pub(crate) async fn settle(
    pool: &Database,
    assignment: &Assignment,
    items: &[&Item],
    stamp: Stamp,
    vectors: Vectors<'_>,
) -> Result<Settled, Error> {
    let span = debug_span!("settle", vectorizer = assignment.name, rows = items.len());
    let chunks: usize = items.iter().map(|item| item.outcome.chunks()).sum();
    let patience = pool.patience() + CHUNK * u32::try_from(chunks).unwrap_or(u32::MAX);
    let mut tries = 1;
    loop {
        let mut connection = pool.acquire().await?;
        let settling = try_settle(&mut connection, assignment, items, stamp, vectors, patience);
        let settled = timeout(patience, settling.instrument(span.clone())).await;
        // whether it was committed is not known then: if so, the keys are off the queue, if not, their lease runs out
        match settled.unwrap_or_else(|_| Err(silent(&mut connection, patience))) {
            Err(error) if tries < TRIES && crate::worker::batch::stop_reason::class_is(&error, &["40", "55P03"]) => {
                tries += 1
            }
            result => return result,
        }
    }
}

async fn try_settle(
    connection: &mut PgConnection,
    assignment: &Assignment,
    items: &[&Item],
    stamp: Stamp,
    vectors: Vectors<'_>,
    patience: Duration,
) -> Result<Settled, Error> {
    // Whatever the database's default: each statement has to see what was committed before it. And whatever the role's: a batch takes as
    // long as it takes, and if this worker is not heard of any more, its locks are free soon.
    let begin = format!(
        "begin isolation level read committed; set local statement_timeout = {0}; \
         set local idle_in_transaction_session_timeout = {0}",
        i32::try_from(patience.as_millis()).unwrap_or(i32::MAX)
    );
    let mut transaction = connection.begin_with(AssertSqlSafe(begin)).await?;
    let connection = &mut *transaction;
    let keys: Vec<&Key> = items.iter().map(|item| &item.key).collect();

    let mut verdicts = verdicts(connection, assignment, items, &keys).await?;
    overtake(connection, assignment, items, &keys, &mut verdicts, stamp).await?;
    let (mut finishing, mut failing) = (Vec::new(), Vec::new());
    let (mut changed, mut busy) = (Vec::new(), Vec::new());
    let mut planned = plan(connection, assignment, items, &keys, &verdicts).await?;
    Step::Look.done();
    for (place, item) in items.iter().enumerate() {
        match (verdicts[place], &planned[place]) {
            (Verdict::Busy, _) => busy.push(place),
            (Verdict::Changed, _) | (Verdict::Unchanged | Verdict::Overtaken, Planned::Outdated) => changed.push(place),
            (Verdict::Unchanged, _) if matches!(&item.outcome, Outcome::Failed(_)) && assignment.tries_again(item) => {
                failing.push(place);
            }
            _ => finishing.push(place),
        }
    }

    let mut settled = Settled::default();
    let finished = select(
        &finishing,
        &finish(connection, assignment, &keys, &finishing, stamp).await?,
    );
    let failed = select(
        &failing,
        &assignment
            .failures
            .defer(connection, items, &failing, stamp, assignment)
            .await?,
    );
    settled.lost = (finishing.len() + failing.len() - finished.len() - failed.len()) as u64;
    settled.deferred = failed.len() as u64;

    let mut dead = Vec::new();
    let mut writing: Vec<(&Key, Planned)> = Vec::new();
    for place in finished {
        let is_failure = matches!(&items[place].outcome, Outcome::Failed(_));
        if is_failure && verdicts[place] == Verdict::Unchanged {
            dead.push(place);
        } else if verdicts[place] == Verdict::Overtaken {
            settled.overtaken += 1;
        } else {
            settled.rows += 1;
        }
        writing.push((
            &items[place].key,
            std::mem::replace(&mut planned[place], Planned::Outdated),
        ));
    }
    if !writing.is_empty() {
        write(connection, assignment, &writing, vectors, &mut settled).await?;
        Step::Write.done();
    }
    settled.dead = dead.len() as u64;
    let letters = dead
        .iter()
        .filter_map(|&place| assignment.failures.letter(&assignment.name, items[place]));
    settled.dead_letters = letters.collect();
    let done: Vec<&Key> = writing.iter().map(|(key, _)| *key).collect();
    assignment.failures.unbury(connection, &done).await?;
    assignment.failures.bury(connection, items, &dead).await?;
    assignment
        .failures
        .record(connection, items, failed.iter().chain(&dead).copied())
        .await?;

    let give_back = |places: &[usize]| places.iter().map(|&place| keys[place]).collect::<Vec<_>>();
    assignment
        .queue
        .release(connection, &give_back(&changed), stamp, Duration::ZERO)
        .await?;
    assignment
        .queue
        .release(connection, &give_back(&busy), stamp, REST)
        .await?;
    transaction.commit().await?;
    Step::Commit.done();
    settled.released = [changed, busy].concat();
    Ok(settled)
}

/// Locks rows and keys first; only statements after that may decide anything.
async fn verdicts(
    connection: &mut PgConnection,
    assignment: &Assignment,
    items: &[&Item],
    keys: &[&Key],
) -> Result<Vec<Verdict>, Error> {
    let locks = assignment.source.lock(&mut *connection, keys).await?;
    Step::Lock.done();
    let version_of = |item: &Item| item.seen.as_ref().map(|row| row.version.clone());
    let doubtful: Vec<usize> = (0..items.len())
        .filter(|&place| locks[place].free && !items[place].is_unreadable())
        .filter(|&place| locks[place].version.is_none() || locks[place].version != version_of(items[place]))
        .collect();
    let verdicts = locks.iter().zip(items).map(|(lock, item)| match &lock.version {
        _ if !lock.free => Verdict::Busy,
        // cannot be read now either: another version is for another batch
        None if item.is_unreadable() => Verdict::Busy,
        version if item.is_unreadable() && *version != version_of(item) => Verdict::Changed,
        _ => Verdict::Unchanged,
    });
    let mut verdicts: Vec<Verdict> = verdicts.collect();
    if doubtful.is_empty() {
        return Ok(verdicts);
    }
    let doubtful_keys: Vec<&Key> = doubtful.iter().map(|&place| keys[place]).collect();
    let rows = assignment.source.read(&mut *connection, &doubtful_keys).await?;
    if rows.iter().any(Option::is_none) {
        assignment.source.check_sight(&mut *connection).await?;
    }
    for (place, row) in doubtful.into_iter().zip(rows) {
        verdicts[place] = match (&row, &items[place].seen) {
            (None, _) => Verdict::Gone,
            // there, but not locked: a writer has it, or it has just come
            (Some(_), _) if locks[place].version.is_none() => Verdict::Busy,
            (Some(now), Some(seen)) if now.says_the_same(seen) => Verdict::Unchanged,
            (Some(_), _) => Verdict::Changed,
        };
    }
    Ok(verdicts)
}

/// Finds the changed rows whose embeddings may be written all the same: a row that is edited faster than it is embedded would have none
/// for as long as that goes on. What makes it safe is a queue row that stays: whoever works on it compares what it finds under the locks.
async fn overtake(
    connection: &mut PgConnection,
    assignment: &Assignment,
    items: &[&Item],
    keys: &[&Key],
    verdicts: &mut [Verdict],
    stamp: Stamp,
) -> Result<(), Error> {
    let is_candidate = |place: &usize| {
        let item = items[*place];
        verdicts[*place] == Verdict::Changed && item.seen.is_some() && !matches!(item.outcome, Outcome::Failed(_))
    };
    let changed: Vec<usize> = (0..items.len()).filter(is_candidate).collect();
    let changed_keys: Vec<&Key> = changed.iter().map(|&place| keys[place]).collect();
    for at in assignment.queue.later(connection, &changed_keys, stamp).await? {
        verdicts[changed[at]] = Verdict::Overtaken;
    }
    Ok(())
}

/// What is to be written for an item.
#[derive(Debug)]
enum Planned {
    Chunks(Change),
    Column(Option<usize>),
    /// The store changed since the change was planned.
    Outdated,
}

/// Checks planned changes against what stands in the store now, under the key's lock; for rows that are gone or dead, plans
/// the removal of it.
async fn plan(
    connection: &mut PgConnection,
    assignment: &Assignment,
    items: &[&Item],
    keys: &[&Key],
    verdicts: &[Verdict],
) -> Result<Vec<Planned>, Error> {
    let Destination::Table(store) = &assignment.destination else {
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
            _ => Planned::Chunks(Change::clear(&now)),
        });
    Ok(planned.collect())
}

/// Takes items off the queue; answers which (from 0, among `places`) were still this batch's.
async fn finish(
    connection: &mut PgConnection,
    assignment: &Assignment,
    keys: &[&Key],
    places: &[usize],
    stamp: Stamp,
) -> Result<Vec<usize>, Error> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<&Key> = places.iter().map(|&place| keys[place]).collect();
    let finished = assignment.queue.finish(connection, &keys, stamp).await?;
    Step::Finish.done();
    Ok(finished)
}

async fn write(
    connection: &mut PgConnection,
    assignment: &Assignment,
    writing: &[(&Key, Planned)],
    vectors: Vectors<'_>,
    settled: &mut Settled,
) -> Result<(), Error> {
    match &assignment.destination {
        Destination::Table(store) => {
            let changes = writing.iter().filter_map(|(key, planned)| match planned {
                Planned::Chunks(change) => Some((*key, change)),
                Planned::Column(_) | Planned::Outdated => None,
            });
            let changes: Vec<(&Key, &Change)> = changes.collect();
            settled.written = changes.iter().map(|(_, change)| change.new.len() as u64).sum();
            settled.kept = changes
                .iter()
                .map(|(_, change)| (change.kept + change.moved.len()) as u64)
                .sum();
            store.apply(connection, &changes, vectors).await
        }
        Destination::Column(column) => {
            let values = writing.iter().filter_map(|(key, planned)| match planned {
                Planned::Column(text) => Some((*key, *text)),
                Planned::Chunks(_) | Planned::Outdated => None,
            });
            let values: Vec<(&Key, Option<usize>)> = values.collect();
            settled.written = values.iter().filter(|(_, text)| text.is_some()).count() as u64;
            column.update(connection, &values, vectors).await
        }
    }
}

fn select(places: &[usize], chosen: &[usize]) -> Vec<usize> {
    chosen.iter().filter_map(|&at| places.get(at).copied()).collect()
}

//! A batch from claim to store: rows, chunks, vectors, one write.

mod load;
pub(crate) mod stop_reason;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{Instrument, debug, info_span};

use crate::worker::batch::load::load;
use crate::worker::batch::stop_reason::{Trouble, may_be_a_rows};
use crate::worker::connection::Database;
use crate::worker::embed::Embedded;
use crate::worker::panics::{caught, caught_now};
use crate::worker::prepare::{Assignment, Destination};
use crate::worker::queue::dead_letters::Failure;
use crate::worker::queue::key_sql::Key;
use crate::worker::queue::lease::Keeper;
use crate::worker::queue::{Claim, Stamp};
use crate::worker::write::commit::{Item, Outcome, Settled, Vectors, settle};
use crate::worker::write::source::SourceRow;
use crate::worker::write::store::{Change, StoredChunk};

/// A batch has no more texts than this, unless they are one row's: their vectors are in memory together ..
const MOST_TEXTS: usize = 4_096;
/// .. and not many more bytes of the loaded column, ..
pub(super) const MOST_BYTES: i64 = 16 << 20;
/// .. or of what the template made of it. What is left out goes back to the queue.
const MOST_RENDERED: usize = 32 << 20;
/// What the template may make of one row.
const MOST_OF_A_ROW: usize = 256 << 20;

/// What a batch did.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) settled: Settled,
    /// Requests to the provider.
    pub(crate) requests: u64,
    /// Texts that were embedded.
    pub(crate) texts: u64,
    /// The tokens that the provider counted in them, if it says.
    pub(crate) tokens: Option<u64>,
    /// What kept the batch, or a part of it, from being done.
    pub(crate) trouble: Option<Trouble>,
}

/// Embeds what was claimed. What is not done goes back to the queue.
pub(crate) async fn run(pool: Database, assignment: Arc<Assignment>, claim: Claim) -> Batch {
    let span = info_span!("batch", vectorizer = assignment.name, rows = claim.keys.len());
    async {
        let keys: Vec<Key> = claim.keys.iter().map(|claimed| claimed.key.clone()).collect();
        let keeper = Keeper::start(
            pool.clone(),
            Arc::clone(&assignment.queue),
            keys.clone(),
            claim.stamp,
            assignment.lease,
        );
        let mut batch = Batch::default();
        let prepared = prepare(&pool, &assignment, claim).await;
        let outcome = match prepared {
            Ok(prepared) => {
                let known = assignment.vector_cache.take(&prepared.texts);
                match caught(assignment.requests.embed(&prepared.texts, known)).await {
                    Ok(embedded) => {
                        batch.requests = embedded.requests;
                        batch.texts = embedded.texts;
                        batch.tokens = embedded.tokens;
                        Ok((prepared, embedded))
                    }
                    // what an embedder says of limits and tokens, as its requests are caught
                    Err(said) => Err(Trouble::Refused(format!("the embedder failed: {said}"))),
                }
            }
            Err(trouble) => Err(trouble),
        };
        let stamp = keeper.stop().await;
        match outcome {
            Ok((prepared, embedded)) => finish(&pool, &assignment, prepared, embedded, stamp, &mut batch).await,
            Err(trouble) => {
                batch.trouble = Some(trouble);
                release(&pool, &assignment, &keys.iter().collect::<Vec<_>>(), stamp).await;
            }
        }
        let settled = &batch.settled;
        debug!(
            done = settled.rows,
            chunks = settled.written,
            kept = settled.kept,
            texts = batch.texts,
            requests = batch.requests,
            released = settled.released.len(),
            lost = settled.lost,
            overtaken = settled.overtaken,
            "batch ended"
        );
        batch
    }
    .instrument(span)
    .await
}

/// A batch's texts, each once, and what every key wants of them.
struct Prepared {
    texts: Vec<String>,
    drafts: Vec<Draft>,
    /// Keys for which there was no room.
    left_out: Vec<Key>,
}

/// A key before its texts are embedded.
struct Draft {
    item: Item,
    /// The texts that it needs vectors of.
    needs: Vec<usize>,
}

impl From<Item> for Draft {
    fn from(item: Item) -> Self {
        Self {
            item,
            needs: Vec::new(),
        }
    }
}

async fn prepare(pool: &Database, assignment: &Arc<Assignment>, claim: Claim) -> Result<Prepared, Trouble> {
    let loaded = load(pool, assignment, claim.keys).await?;
    let assignment = Arc::clone(assignment);
    // cutting a long text, or any with a costly expression, must not hold up the runtime
    let prepared = tokio::task::spawn_blocking(move || {
        let mut texts = Texts::default();
        let mut left_out = loaded.left_out;
        let mut drafts: Vec<Draft> = loaded.unreadable.into_iter().map(Draft::from).collect();
        for (claimed, row, stored) in loaded.rows {
            if texts.list.len() >= MOST_TEXTS || texts.bytes >= MOST_RENDERED {
                left_out.push(claimed.key);
                continue;
            }
            let drafted = caught_now(|| draft(&assignment, row.as_ref(), &stored, &mut texts));
            let (outcome, needs) =
                drafted.unwrap_or_else(|reason| (Outcome::Failed(Failure::chunking(reason)), Vec::new()));
            let item = Item {
                key: claimed.key,
                attempts: claimed.attempts,
                seen: row,
                outcome,
            };
            drafts.push(Draft { item, needs });
        }
        Prepared {
            texts: texts.list,
            drafts,
            left_out,
        }
    });
    prepared
        .await
        .map_err(|error| Trouble::Refused(format!("preparing a batch failed: {error}")))
}

/// The batch's texts, numbered.
#[derive(Default)]
struct Texts {
    list: Vec<String>,
    bytes: usize,
    number: HashMap<String, usize>,
}

impl Texts {
    fn number(&mut self, text: String) -> usize {
        *self.number.entry(text).or_insert_with_key(|text| {
            self.bytes += text.len();
            self.list.push(text.clone());
            self.list.len() - 1
        })
    }
}

/// What is to become of a row, and the texts that need a vector for it.
fn draft(
    assignment: &Assignment,
    row: Option<&SourceRow>,
    stored: &[StoredChunk],
    texts: &mut Texts,
) -> (Outcome, Vec<usize>) {
    let chunks = match formatted(assignment, row) {
        Ok(chunks) => chunks,
        Err(reason) => {
            return (Outcome::Failed(Failure::chunking(reason)), Vec::new());
        }
    };
    match &assignment.destination {
        Destination::Column(_) => {
            let text = chunks.into_iter().next().map(|chunk| texts.number(chunk));
            (Outcome::Column(text), text.into_iter().collect())
        }
        Destination::Table(_) => {
            // only what is new goes among the batch's texts
            let places: Vec<usize> = (0..chunks.len()).collect();
            let mut change = Change::plan(stored, &places, |place| &chunks[place]);
            let mut chunks: Vec<Option<String>> = chunks.into_iter().map(Some).collect();
            let mut needs = Vec::with_capacity(change.new.len());
            for new in &mut change.new {
                if let Some(chunk) = chunks[new.text].take() {
                    new.text = texts.number(chunk);
                    needs.push(new.text);
                }
            }
            (Outcome::Chunks(change), needs)
        }
    }
}

/// The texts to embed of a row: none if it is gone or its text empty.
fn formatted(assignment: &Assignment, row: Option<&SourceRow>) -> Result<Vec<String>, String> {
    let Some((row, text)) = row.and_then(|row| Some((row, row.text.as_deref().filter(|text| !text.is_empty())?)))
    else {
        return Ok(Vec::new());
    };
    let chunks = assignment.splitter.split(text).map_err(|error| error.to_string())?;
    let values: Vec<String> = assignment
        .types
        .iter()
        .zip(&row.values)
        .map(|(kind, value)| kind.str(value.as_deref()))
        .collect();
    let mut bytes = 0;
    let rendered = chunks.iter().map(|chunk| {
        let text = assignment.template.render(chunk, &values);
        bytes += text.len();
        if bytes > MOST_OF_A_ROW {
            return Err(format!(
                "its {} chunks have more than {} MB with what the template puts around each: take a long column out of the template, or \
                 make larger chunks",
                chunks.len(),
                MOST_OF_A_ROW >> 20
            ));
        }
        Ok(text)
    });
    rendered.collect()
}

async fn finish(
    pool: &Database,
    assignment: &Assignment,
    prepared: Prepared,
    embedded: Embedded,
    stamp: Stamp,
    batch: &mut Batch,
) {
    let Prepared {
        texts,
        drafts,
        left_out: mut undone,
    } = prepared;
    let (mut items, mut needs_of) = (Vec::new(), Vec::new());
    // texts whose vectors, if there are any, are not written
    let mut unwritten = Vec::new();
    for Draft { mut item, needs } in drafts {
        if let Some(reason) = needs.iter().find_map(|&text| embedded.refusals[text].clone()) {
            item.outcome = Outcome::Failed(Failure {
                step: "embedding",
                reason,
            });
            items.push(item);
            unwritten.extend(needs);
            needs_of.push(Vec::new());
        } else if needs.iter().any(|&text| embedded.vectors[text].is_none()) {
            undone.push(item.key);
            unwritten.extend(needs);
        } else {
            items.push(item);
            needs_of.push(needs);
        }
    }
    let vectors = Vectors {
        texts: &texts,
        vectors: &embedded.vectors,
    };
    batch.trouble = embedded.trouble;
    let (settled, rest) = write(pool, assignment, &mut items, stamp, vectors).await;
    for &place in settled.released.iter().chain(&settled.failed) {
        unwritten.append(&mut needs_of[place]);
    }
    if let Some((unsettled, trouble)) = rest {
        batch.trouble = Some(trouble);
        for place in unsettled {
            unwritten.append(&mut needs_of[place]);
            undone.push(items[place].key.clone());
        }
    }
    if settled.written > 0 {
        assignment.has_written.store(true, Ordering::Relaxed);
    }
    batch.settled = settled;
    release(pool, assignment, &undone.iter().collect::<Vec<_>>(), stamp).await;
    if !unwritten.is_empty() {
        let (mut texts, mut vectors) = (texts, embedded.vectors);
        let vectors = unwritten
            .into_iter()
            .filter_map(|text| Some((std::mem::take(&mut texts[text]), vectors[text].take()?)));
        assignment.vector_cache.keep(vectors);
    }
}

/// Settles all items together, or, if the database refuses what may be a row of them, one by one to find it. Answers besides what is
/// settled the places of the items that are not, and why.
async fn write(
    pool: &Database,
    assignment: &Assignment,
    items: &mut [Item],
    stamp: Stamp,
    vectors: Vectors<'_>,
) -> (Settled, Option<(Vec<usize>, Trouble)>) {
    if items.is_empty() {
        return (Settled::default(), None);
    }
    let all: Vec<&Item> = items.iter().collect();
    let together = match settle(pool, assignment, &all, stamp, vectors).await {
        Ok(settled) => return (settled, None),
        Err(error) if may_be_a_rows(&error) => error,
        Err(error) => return (Settled::default(), Some(((0..items.len()).collect(), error.into()))),
    };
    let mut settled = Settled::default();
    let mut refused = Vec::new();
    for (place, item) in items.iter().enumerate() {
        match settle(pool, assignment, &[item], stamp, vectors).await {
            Ok(one) => settled.add(&one, place),
            Err(error) if may_be_a_rows(&error) => refused.push((place, error.to_string())),
            Err(error) => {
                let refused = refused.into_iter().map(|(place, _)| place);
                return (
                    settled,
                    Some((refused.chain(place..items.len()).collect(), error.into())),
                );
            }
        }
    }
    // by a batch in which others were written
    let was_blamed = refused.iter().all(|(place, _)| items[*place].attempts > 0);
    let is_alike = refused.len() > 1 && refused.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let has_written = assignment.has_written.load(Ordering::Relaxed);
    if settled.written == 0 && !was_blamed && (!has_written || is_alike) {
        // nothing can be written, and nothing ever was or all for the same reason: it is not the rows
        let refused = refused.into_iter().map(|(place, _)| place);
        return (settled, Some((refused.collect(), together.into())));
    }
    let mut refused = refused.into_iter();
    while let Some((place, reason)) = refused.next() {
        items[place].outcome = Outcome::Failed(Failure {
            step: "writing",
            reason,
        });
        match settle(pool, assignment, &[&items[place]], stamp, vectors).await {
            Ok(one) => {
                settled.add(&one, place);
                settled.failed.push(place);
            }
            Err(error) => {
                let rest = refused.map(|(place, _)| place);
                return (settled, Some(([place].into_iter().chain(rest).collect(), error.into())));
            }
        }
    }
    (settled, None)
}

/// Gives keys back at once. If that fails, their lease runs out.
async fn release(pool: &Database, assignment: &Assignment, keys: &[&Key], stamp: Stamp) {
    if keys.is_empty() {
        return;
    }
    let released = match pool.acquire().await {
        Ok(mut connection) => {
            assignment
                .queue
                .release(&mut connection, keys, stamp, Duration::ZERO)
                .await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = released {
        debug!(%error, "keys could not be given back; their lease will run out");
    }
}

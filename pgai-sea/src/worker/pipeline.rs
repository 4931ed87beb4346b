//! A batch from claim to store: rows, chunks, vectors, one write.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::PgPool;
use tracing::{Instrument, debug, info_span};

use super::assignment::{Assignment, Destination};
use super::embed::Embedded;
use super::failure::Failure;
use super::lease::Keeper;
use super::names::Key;
use super::queue::{Claim, Stamp};
use super::settle::{Item, Outcome, Settled, Vectors, settle};
use super::source::SourceRow;
use super::store::{Change, StoredChunk};
use super::trouble::Trouble;

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
pub(crate) async fn run(pool: PgPool, assignment: Arc<Assignment>, claim: Claim) -> Batch {
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
        let prepared = prepare(&pool, &assignment, claim, &keys).await;
        let outcome = match prepared {
            Ok(prepared) => {
                let known = assignment.recall(&prepared.texts);
                let embedded = assignment.requests.embed(&prepared.texts, known).await;
                batch.requests = embedded.requests;
                batch.texts = embedded.texts;
                batch.tokens = embedded.tokens;
                Ok((prepared, embedded))
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
}

/// A key before its texts are embedded.
struct Draft {
    item: Item,
    /// The texts that it needs vectors of.
    needs: Vec<usize>,
}

async fn prepare(pool: &PgPool, assignment: &Arc<Assignment>, claim: Claim, keys: &[Key]) -> Result<Prepared, Trouble> {
    let keys: Vec<&Key> = keys.iter().collect();
    let rows = assignment.source.read(pool, &keys).await?;
    let stored = match &assignment.destination {
        Destination::Table(store) => store.read(pool, &keys).await?,
        Destination::Column(_) => keys.iter().map(|_| Vec::new()).collect(),
    };
    let assignment = Arc::clone(assignment);
    // cutting a long text, or any with a costly expression, must not hold up the runtime
    let prepared = tokio::task::spawn_blocking(move || {
        let mut texts = Texts::default();
        let claimed = claim.keys.into_iter().zip(rows).zip(stored);
        let drafts = claimed
            .map(|((claimed, row), stored)| {
                let (outcome, needs) = draft(&assignment, row.as_ref(), &stored, &mut texts);
                let item = Item {
                    key: claimed.key,
                    attempts: claimed.attempts,
                    seen: row,
                    outcome,
                };
                Draft { item, needs }
            })
            .collect();
        Prepared {
            texts: texts.texts,
            drafts,
        }
    });
    prepared
        .await
        .map_err(|error| Trouble::Refused(format!("preparing a batch failed: {error}")))
}

/// The batch's texts, numbered.
#[derive(Default)]
struct Texts {
    texts: Vec<String>,
    number: HashMap<String, usize>,
}

impl Texts {
    fn number(&mut self, text: String) -> usize {
        *self.number.entry(text).or_insert_with_key(|text| {
            self.texts.push(text.clone());
            self.texts.len() - 1
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
            return (
                Outcome::Failed(Failure {
                    step: "chunking",
                    reason,
                }),
                Vec::new(),
            );
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
    Ok(chunks
        .iter()
        .map(|chunk| assignment.template.render(chunk, &values))
        .collect())
}

async fn finish(
    pool: &PgPool,
    assignment: &Assignment,
    prepared: Prepared,
    embedded: Embedded,
    stamp: Stamp,
    batch: &mut Batch,
) {
    let Prepared { texts, drafts } = prepared;
    let (mut items, mut undone) = (Vec::new(), Vec::new());
    let mut has_failed = false;
    for Draft { mut item, needs } in drafts {
        if let Some(reason) = needs.iter().find_map(|&text| embedded.refusals[text].clone()) {
            item.outcome = Outcome::Failed(Failure {
                step: "embedding",
                reason,
            });
            items.push(item);
            has_failed = true;
        } else if needs.iter().any(|&text| embedded.vectors[text].is_none()) {
            undone.push(item.key);
        } else {
            items.push(item);
        }
    }
    let vectors = Vectors {
        texts: &texts,
        vectors: &embedded.vectors,
    };
    batch.trouble = embedded.trouble;
    let mut is_unwritten = has_failed || !undone.is_empty();
    match write(pool, assignment, &mut items, stamp, vectors).await {
        Ok(settled) => {
            is_unwritten |= !settled.released.is_empty();
            batch.settled = settled;
        }
        Err(trouble) => {
            batch.trouble = Some(trouble);
            is_unwritten = true;
            undone.extend(items.into_iter().map(|item| item.key));
        }
    }
    release(pool, assignment, &undone.iter().collect::<Vec<_>>(), stamp).await;
    if is_unwritten {
        let vectors = texts.into_iter().zip(embedded.vectors);
        assignment.remember(vectors.filter_map(|(text, vector)| Some((text, vector?))));
    }
}

/// Settles all items together, or, if the database refuses the data, one by one to find the row whose they are.
async fn write(
    pool: &PgPool,
    assignment: &Assignment,
    items: &mut [Item],
    stamp: Stamp,
    vectors: Vectors<'_>,
) -> Result<Settled, Trouble> {
    if items.is_empty() {
        return Ok(Settled::default());
    }
    let all: Vec<&Item> = items.iter().collect();
    let together = match settle(pool, assignment, &all, stamp, vectors).await {
        Err(error) if super::trouble::class_is(&error, &["22", "23"]) => error,
        result => return Ok(result?),
    };
    let mut settled = Settled::default();
    let mut refused = Vec::new();
    for (place, item) in items.iter().enumerate() {
        match settle(pool, assignment, &[item], stamp, vectors).await {
            Ok(one) => settled.add(&one, place),
            Err(error) if super::trouble::class_is(&error, &["22", "23"]) => refused.push((place, error.to_string())),
            Err(error) => return Err(error.into()),
        }
    }
    if refused.len() == items.len() {
        // not one row can be written: it is not the rows
        return Err(together.into());
    }
    for (place, reason) in refused {
        items[place].outcome = Outcome::Failed(Failure {
            step: "writing",
            reason,
        });
        let one = settle(pool, assignment, &[&items[place]], stamp, vectors).await?;
        settled.add(&one, place);
    }
    Ok(settled)
}

/// Gives keys back at once. If that fails, their lease runs out.
async fn release(pool: &PgPool, assignment: &Assignment, keys: &[&Key], stamp: Stamp) {
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

//! The steps of a batch in their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::{Instrument, debug, info_span};

use super::blame::{FailedAlone, are_the_rows, may_be_a_row_that_is_written};
#[cfg(feature = "documents")]
use super::documents::DocumentReader;
use super::draft::{Draft, Drafter, Drafts};
use super::item::{Failure, Item, Outcome, Vectors};
use super::load::load;
use super::stop_reason::StopReason;
use crate::worker::connection::{Counted, Database, LockWait, UNTRANSLATABLE};
use crate::worker::database_error::DatabaseError;
#[cfg(feature = "embedder")]
use crate::worker::embed::given::GivenVectors;
use crate::worker::embed::{Embedded, Neighbour, Requests, VectorCache};
use crate::worker::panics;
use crate::worker::queue::key_sql::Key;
use crate::worker::queue::lease::LeaseRenewer;
use crate::worker::queue::{Claim, ClaimedKey, Queue, Stamp};
use crate::worker::store_identity::StoreIdentity;
use crate::worker::write::{BatchOutcome, Writer};

/// What the batches of one vectorizer need.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) vectorizer: String,
    pub(crate) queue: Arc<Queue>,
    pub(crate) lease: Duration,
    /// Reads the documents that rows hold or lead to.
    #[cfg(feature = "documents")]
    pub(crate) documents: Option<DocumentReader>,
    pub(crate) drafter: Drafter,
    pub(crate) requests: Requests,
    /// Vectors of texts whose rows went back to the queue. Without them a busy row would be paid for twice.
    pub(crate) vector_cache: VectorCache,
    pub(crate) writer: Writer,
    /// Whether source rows were ever locked.
    pub(crate) has_locked: AtomicBool,
    pub(crate) identity: Arc<StoreIdentity>,
    /// Another generation that has vectors of the same model.
    pub(crate) neighbour: Option<Neighbour>,
    /// Vectors that a provider's batch gave.
    #[cfg(feature = "embedder")]
    pub(crate) given: Arc<GivenVectors>,
    /// Whether a chunk was ever written. If so, an error of the database may be a row's fault.
    pub(crate) has_written: AtomicBool,
    /// The most rows of a claim. If a claim has as many, there may be more.
    pub(crate) most_claimed: usize,
}

/// What a batch did.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) outcome: BatchOutcome,
    /// The rows that were given up.
    pub(crate) dead: Vec<Item>,
    /// What kept the batch, or a part of it, from being done.
    pub(crate) stop_reason: Option<StopReason>,
}

impl Pipeline {
    /// Embeds what was claimed. What is not done goes back to the queue.
    pub(crate) async fn run(self: Arc<Self>, pool: Database, claim: Claim, in_hand: Counted) -> Batch {
        let span = info_span!("batch", vectorizer = self.vectorizer, rows = claim.keys.len());
        async {
            let batch = self.process(&pool, claim, in_hand).await;
            let BatchOutcome { counts, .. } = &batch.outcome;
            debug!(
                rows = counts.rows,
                chunks_written = counts.chunks_written,
                chunks_kept = counts.chunks_kept,
                texts = counts.texts,
                requests = counts.requests,
                released = batch.outcome.released.len(),
                lost = batch.outcome.lost,
                overtaken = batch.outcome.overtaken,
                "batch ended"
            );
            batch
        }
        .instrument(span)
        .await
    }

    async fn process(self: &Arc<Self>, pool: &Database, claim: Claim, in_hand: Counted) -> Batch {
        let keys: Vec<Key> = claim.keys.iter().map(|claimed| claimed.key.clone()).collect();
        let (queue, stamp) = (Arc::clone(&self.queue), claim.stamp);
        let renewer = LeaseRenewer::start(pool.clone(), queue, keys.clone(), stamp, self.lease);
        let embedded = self.embed(pool, claim, in_hand).await;
        let _in_hand = pool.in_hand();
        let stamp = renewer.stop().await;
        match embedded {
            Ok((drafts, embedded)) => self.finish(pool, drafts, embedded, stamp).await,
            Err(stop_reason) => {
                self.release(pool, &keys.iter().collect::<Vec<_>>(), stamp).await;
                Batch {
                    stop_reason: Some(stop_reason),
                    ..Batch::default()
                }
            }
        }
    }

    async fn embed(
        self: &Arc<Self>,
        pool: &Database,
        claim: Claim,
        in_hand: Counted,
    ) -> Result<(Drafts, Embedded), StopReason> {
        let keys: Vec<Key> = match &self.neighbour {
            Some(_) => claim.keys.iter().map(|claimed| claimed.key.clone()).collect(),
            None => Vec::new(),
        };
        let drafts = self.draft(pool, claim.keys).await?;
        let mut known = self.vector_cache.take(&drafts.texts);
        self.add_known(pool, &keys, &drafts.texts, &mut known).await?;
        drop(in_hand);
        let embedded = panics::caught(self.requests.embed(&drafts.texts, known)).await;
        // requests are caught one by one; this is about limits and token counts
        let embedded = embedded.map_err(|said| StopReason::Refused(format!("the embedder failed: {said}")))?;
        Ok((drafts, embedded))
    }

    /// Adds vectors that are somewhere else already.
    async fn add_known(
        &self,
        pool: &Database,
        keys: &[Key],
        texts: &[String],
        known: &mut [Option<Vec<f32>>],
    ) -> Result<(), StopReason> {
        #[cfg(feature = "embedder")]
        self.given.add(texts, known);
        if let Some(neighbour) = &self.neighbour {
            neighbour.add(pool, keys, texts, known).await?;
        }
        Ok(())
    }

    /// The texts of rows that have no vector anywhere yet, and the keys for which there was no room.
    #[cfg(feature = "embedder")]
    pub(crate) async fn missing_texts(
        self: &Arc<Self>,
        pool: &Database,
        keys: Vec<Key>,
    ) -> Result<(Vec<String>, Vec<Key>), StopReason> {
        let attempts = 0;
        let claimed = keys.iter().cloned().map(|key| ClaimedKey { key, attempts });
        let drafts = self.draft(pool, claimed.collect()).await?;
        let mut known = vec![None; drafts.texts.len()];
        self.add_known(pool, &keys, &drafts.texts, &mut known).await?;
        let missing = drafts.texts.into_iter().zip(known);
        let missing = missing.filter(|(_, vector)| vector.is_none()).map(|(text, _)| text);
        Ok((missing.collect(), drafts.left_out))
    }

    /// Reads rows, splits and formats them, and compares them with the store.
    async fn draft(self: &Arc<Self>, pool: &Database, claimed: Vec<ClaimedKey>) -> Result<Drafts, StopReason> {
        let keeps_vectors = self.identity.keeps_vectors();
        #[cfg_attr(
            not(feature = "documents"),
            expect(unused_mut, reason = "a document becomes text here")
        )]
        let mut loaded = {
            let may_be_more = claimed.len() >= self.most_claimed;
            load(pool, &self.writer, (self.has_written(), may_be_more), claimed).await?
        };
        if !self.has_locked.load(Ordering::Relaxed) {
            // rows that cannot be locked cannot be written: better known before anything is paid for
            let keys: Vec<&Key> = loaded.rows.iter().map(|(claimed, ..)| &claimed.key).collect();
            self.writer.check_lock(pool, &keys).await?;
            self.has_locked.store(true, Ordering::Relaxed);
        }
        #[cfg(feature = "documents")]
        if let Some(documents) = &self.documents {
            documents.read(&mut loaded).await?;
        }
        let pipeline = Arc::clone(self);
        let draft = move || {
            let destination = &pipeline.writer.destination;
            pipeline.drafter.draft(loaded, destination, keeps_vectors)
        };
        tokio::task::spawn_blocking(draft)
            .await
            .map_err(|error| StopReason::Refused(format!("splitting a batch's texts stopped unexpectedly: {error}")))
    }

    async fn finish(&self, pool: &Database, drafts: Drafts, embedded: Embedded, stamp: Stamp) -> Batch {
        let Drafts {
            texts,
            drafts,
            left_out: mut undone,
        } = drafts;
        let (mut items, mut needs_of) = (Vec::new(), Vec::new());
        // texts whose vectors, if there are any, are not written
        let mut unwritten = Vec::new();
        for Draft { mut item, needs } in drafts {
            if let Some(reason) = needs.iter().find_map(|&text| embedded.refusals[text].clone()) {
                item.outcome = Outcome::Failed(Failure::embedding(reason));
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
        for item in &mut items {
            if let Outcome::Failed(failure) = &mut item.outcome {
                failure.reason = pool.storable(&failure.reason).await;
            }
        }
        let vectors = Vectors {
            texts: &texts,
            vectors: &embedded.vectors,
        };
        let mut stop_reason = embedded.stop_reason;
        let (mut outcome, rest) = self.write(pool, &mut items, stamp, vectors).await;
        for &place in outcome.released.iter().chain(&outcome.failed) {
            unwritten.append(&mut needs_of[place]);
        }
        if let Some((places, reason)) = rest {
            stop_reason = Some(reason);
            for place in places {
                unwritten.append(&mut needs_of[place]);
                undone.push(items[place].key.clone());
            }
        }
        if outcome.counts.chunks_written > 0 {
            self.has_written.store(true, Ordering::Relaxed);
        }
        outcome.counts.requests = embedded.requests;
        outcome.counts.texts = embedded.texts;
        outcome.counts.input_tokens = embedded.tokens;
        self.release(pool, &undone.iter().collect::<Vec<_>>(), stamp).await;
        if !unwritten.is_empty() {
            let (mut texts, mut vectors) = (texts, embedded.vectors);
            let vectors = unwritten
                .into_iter()
                .filter_map(|text| Some((std::mem::take(&mut texts[text]), vectors[text].take()?)));
            self.vector_cache.keep(vectors);
        }
        let mut items: Vec<Option<Item>> = items.into_iter().map(Some).collect();
        let dead = outcome.dead.iter().filter_map(|&place| items[place].take());
        Batch {
            dead: dead.collect(),
            outcome,
            stop_reason,
        }
    }

    /// Writes all items together, or, if the database refuses what may be one row's fault, one by one. Returns besides
    /// the outcome the places of the items that were not written, and why.
    async fn write(
        &self,
        pool: &Database,
        items: &mut [Item],
        stamp: Stamp,
        vectors: Vectors<'_>,
    ) -> (BatchOutcome, Option<(Vec<usize>, StopReason)>) {
        if items.is_empty() {
            return (BatchOutcome::default(), None);
        }
        let all: Vec<&Item> = items.iter().collect();
        let together = match self.writer.commit(pool, &all, stamp, vectors).await {
            Ok(outcome) => return (outcome, None),
            Err(error) if may_be_a_row_that_is_written(&error) => error,
            Err(error) => {
                return (
                    BatchOutcome::default(),
                    Some(((0..items.len()).collect(), error.into())),
                );
            }
        };
        let mut outcome = BatchOutcome::default();
        let mut refused = Vec::new();
        for (place, item) in items.iter().enumerate() {
            match self.writer.commit(pool, &[item], stamp, vectors).await {
                Ok(one) => outcome.add(&one, place),
                Err(error) if may_be_a_row_that_is_written(&error) => refused.push((place, error)),
                Err(error) => {
                    let refused = refused.into_iter().map(|(place, _)| place);
                    return (
                        outcome,
                        Some((refused.chain(place..items.len()).collect(), error.into())),
                    );
                }
            }
        }
        let reasons: Vec<String> = refused.iter().map(|(_, error)| error.to_string()).collect();
        // the database has no such character, whoever asks
        let is_certain = |error: &DatabaseError| error.has_state(&[UNTRANSLATABLE]);
        let failed = refused
            .iter()
            .zip(&reasons)
            .map(|((place, error), reason)| FailedAlone {
                attempts: items[*place].attempts,
                reason,
                is_certain: is_certain(error),
            });
        let failed: Vec<FailedAlone<'_>> = failed.collect();
        let has_worked = self.has_written() || failed.iter().all(|row| row.is_certain);
        if !are_the_rows(&failed, outcome.counts.chunks_written > 0, has_worked) {
            let refused = refused.into_iter().map(|(place, _)| place);
            return (outcome, Some((refused.collect(), together.into())));
        }
        let mut refused = refused.into_iter();
        while let Some((place, error)) = refused.next() {
            let reason = pool.storable(&error.to_string()).await;
            items[place].outcome = Outcome::Failed(Failure::writing(reason, is_certain(&error)));
            match self.writer.commit(pool, &[&items[place]], stamp, vectors).await {
                Ok(one) => {
                    outcome.add(&one, place);
                    outcome.failed.push(place);
                }
                Err(error) => {
                    let rest = refused.map(|(place, _)| place);
                    return (outcome, Some(([place].into_iter().chain(rest).collect(), error.into())));
                }
            }
        }
        (outcome, None)
    }

    /// Gives keys back at once. If that fails, their lease runs out.
    async fn release(&self, pool: &Database, keys: &[&Key], stamp: Stamp) {
        if keys.is_empty() {
            return;
        }
        let released: Result<(), DatabaseError> = async {
            let locks = LockWait::new(self.lease / 3);
            loop {
                let mut transaction = pool.begin(pool.patience()).await?;
                let work = async {
                    let connection = transaction.connection();
                    let released = self.queue.release(connection, keys, stamp, Duration::ZERO).await;
                    transaction.end(released).await
                };
                let released = pool.wait(pool.patience(), work).await;
                match released.unwrap_or_else(|| Err(transaction.silent())) {
                    Ok(()) => return Ok(()),
                    Err(error) => locks.wait(error).await?,
                }
            }
        }
        .await;
        if let Err(error) = released {
            debug!(%error, "keys could not be given back; their lease will run out");
        }
    }

    fn has_written(&self) -> bool {
        self.has_written.load(Ordering::Relaxed)
    }

    /// Forgets vectors that were not written, once the queue is empty.
    pub(crate) async fn forget(&self, pool: &Database) -> Result<(), DatabaseError> {
        if !self.vector_cache.is_empty() && self.queue.pending(pool, 1).await? == 0 {
            self.vector_cache.clear();
        }
        Ok(())
    }
}

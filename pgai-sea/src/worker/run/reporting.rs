//! What a lane tells: the report, the catalog, the person who waits.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::runner::Lane;
use crate::worker::batch::Batch;
use crate::worker::batch::stop_reason::Trouble;
use crate::worker::embed::telemetry;
use crate::worker::event::{BatchDone, Event};
use crate::worker::maintenance::index_schedule::Looked;
use crate::worker::prepare::Assignment;
use crate::worker::progress::Progress;
use crate::worker::queue::dead_letters::record_trouble;
use crate::worker::write::commit::Settled;

/// How often progress is told and counted at most.
const TELL: Duration = Duration::from_millis(250);
/// How often the queue is counted; what is done in between is taken off.
const COUNT: Duration = Duration::from_secs(10);
/// The most rows of it that are counted.
const MOST_COUNTED: i64 = 1_000_000;

/// A queue when it was counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    at: Instant,
    pending: u64,
    /// Rows of the report that were done by then.
    done: u64,
}

impl Lane {
    pub(super) fn count(&mut self, batch: Batch) -> Option<Trouble> {
        let settled = &batch.settled;
        self.tell_of(&batch);
        self.report.rows += settled.rows;
        self.report.chunks_written += settled.written;
        self.report.chunks_kept += settled.kept;
        self.report.deferred += settled.deferred;
        self.report.dead_letters += settled.dead;
        self.report.texts += batch.texts;
        self.report.requests += batch.requests;
        self.untold.rows += settled.rows;
        self.untold.tokens = sum(self.untold.tokens, batch.tokens);
        self.report.input_tokens = sum(self.report.input_tokens, batch.tokens);
        let Settled { rows, written, .. } = settled;
        telemetry::count(&self.report.name, *rows, *written, settled.deferred, settled.dead);
        if batch.trouble.is_none() {
            self.backoff.reset();
        }
        batch.trouble
    }

    /// Tells the application of a batch that did something.
    fn tell_of(&self, batch: &Batch) {
        let (events, settled) = (&self.shared.events, &batch.settled);
        if !events.is_set() {
            return;
        }
        for letter in &settled.dead_letters {
            events.call(&Event::DeadLetter(letter.clone()));
        }
        if settled.rows + settled.deferred + settled.dead > 0 {
            events.call(&Event::Batch(BatchDone {
                vectorizer: self.report.name.clone(),
                rows: settled.rows,
                chunks_written: settled.written,
                chunks_kept: settled.kept,
                requests: batch.requests,
                input_tokens: batch.tokens,
                deferred: settled.deferred,
            }));
        }
    }

    pub(super) async fn index_ended(&mut self, looked: Result<Looked, sea_orm::sqlx::Error>) {
        match looked {
            Ok(looked) => self.report.index_built |= looked == Looked::Built,
            Err(error) => {
                // searches are slower without it, and that is all
                let message = format!("the index over the embeddings cannot be built: {error}");
                warn!(vectorizer = self.report.name, %error, "the index over the embeddings cannot be built");
                self.record("index cannot be built", &message).await;
                self.report.error(message);
            }
        }
    }

    pub(super) async fn record(&mut self, what: &'static str, message: &str) {
        if !self.recorded.is_news(what, message, Instant::now()) {
            return;
        }
        self.shared.tracking.error(self.report.id, message).await;
        let details = json!({"error_reason": message.replace('\0', "")});
        let recorded = record_trouble(&self.shared.pool, self.report.id, what, &details).await;
        if let Err(error) = recorded {
            debug!(%error, "the error could not be recorded in the catalog");
        }
    }

    /// Tells person and catalog how far it is; not too often, unless it is the end.
    pub(super) async fn tell(&mut self, assignment: &Assignment, is_end: bool) {
        let now = Instant::now();
        if !is_end && self.told.is_some_and(|told| now - told < TELL) {
            return;
        }
        if self.untold.rows == 0 && self.told.is_some() {
            return;
        }
        self.told = Some(now);
        self.tell_catalog().await;
        if self.shared.hook.is_set() {
            let pending = self.pending(assignment, is_end).await;
            self.shared.hook.call(&Progress {
                vectorizer: self.report.name.clone(),
                rows: self.report.rows,
                chunks: self.report.chunks_written,
                pending,
            });
        }
    }

    /// Rows in the queue: counted now and then, and at the end.
    async fn pending(&mut self, assignment: &Assignment, is_end: bool) -> u64 {
        let done = self.report.rows + self.report.dead_letters;
        if let Some(counted) = self.counted.filter(|counted| !is_end && counted.at.elapsed() < COUNT) {
            return counted.pending.saturating_sub(done - counted.done);
        }
        let pending = assignment.queue.pending(&self.shared.pool, MOST_COUNTED).await;
        let pending = u64::try_from(pending.unwrap_or_default()).unwrap_or_default();
        let at = Instant::now();
        self.counted = Some(Counted { at, pending, done });
        pending
    }

    pub(super) async fn tell_catalog(&mut self) {
        let mut done = std::mem::take(&mut self.untold);
        let now = Instant::now();
        done.time = self.busy.map(|since| now - since).unwrap_or_default();
        self.busy = self.busy.map(|_| now);
        self.shared.tracking.success(self.report.id, done).await;
    }
}

/// Adds what is known.
fn sum(known: Option<u64>, more: Option<u64>) -> Option<u64> {
    match (known, more) {
        (Some(known), Some(more)) => Some(known + more),
        (known, more) => known.or(more),
    }
}

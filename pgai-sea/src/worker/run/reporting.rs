//! What a runner reports: to the application, to the catalog, to its final report.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::error_deduplication::Recorded;
use super::tracking::Tracking;
use crate::catalog::INDEX_FAILED;
use crate::worker::batch::Batch;
use crate::worker::connection::Database;
use crate::worker::counts::Counts;
use crate::worker::database_error::DatabaseError;
use crate::worker::embed::telemetry;
use crate::worker::error::WorkerError;
use crate::worker::event::{BatchDone, Event, EventHook, NewDeadLetter, Progress};
use crate::worker::maintenance::index_builder::IndexState;
use crate::worker::queue::Queue;
use crate::worker::queue::dead_letters::{DeadLetters, record_error};
use crate::worker::report::VectorizerReport;

/// The least time between two reports of progress.
const REPORT_EVERY: Duration = Duration::from_millis(250);
/// The queue is counted so often. In between, what is done is subtracted.
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// The most rows of it that are counted.
const MOST_COUNTED: i64 = 1_000_000;

/// Reports on one vectorizer.
#[derive(Debug)]
pub(super) struct Reporter {
    pub(super) report: VectorizerReport,
    pool: Database,
    tracking: Tracking,
    events: EventHook,
    /// Where a worker that stops on errors hears of them.
    failures: Option<mpsc::UnboundedSender<WorkerError>>,
    recorded: Recorded,
    /// What was done that the catalog does not know yet.
    untracked: Counts,
    reported: Option<Instant>,
    counted: Option<Counted>,
    /// Since when there is work without a pause.
    busy: Option<Instant>,
    /// Whether the catalog says that the vectorizer waits. An earlier worker may have said so.
    waits: Option<bool>,
}

/// A queue when it was counted.
#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Instant,
    pending: u64,
    /// Rows of the report that were done by then.
    done: u64,
}

impl Reporter {
    pub(super) fn new(
        report: VectorizerReport,
        pool: Database,
        tracking: Tracking,
        events: EventHook,
        failures: Option<mpsc::UnboundedSender<WorkerError>>,
    ) -> Self {
        Self {
            report,
            pool,
            tracking,
            events,
            failures,
            recorded: Recorded::default(),
            untracked: Counts::default(),
            reported: None,
            counted: None,
            busy: None,
            waits: None,
        }
    }

    /// There is work.
    pub(super) fn is_busy(&mut self) {
        self.busy.get_or_insert_with(Instant::now);
    }

    /// There is none now.
    pub(super) fn is_idle(&mut self) {
        self.busy = None;
    }

    /// A batch has ended.
    pub(super) fn batch(&mut self, batch: &Batch, dead_letters: &DeadLetters) {
        let counts = batch.outcome.counts;
        self.report.counts += counts;
        self.untracked += counts;
        telemetry::count(
            &self.report.name,
            counts.rows,
            counts.chunks_written,
            counts.deferred,
            counts.dead_letters,
        );
        if !self.events.is_set() {
            return;
        }
        for item in &batch.dead {
            let Some(failure) = item.failure() else { continue };
            self.events.call(&Event::DeadLetter(NewDeadLetter {
                vectorizer: self.report.name.clone(),
                key: dead_letters.named(&item.key),
                step: failure.step,
                reason: failure.reason.clone(),
            }));
        }
        if counts.rows + counts.deferred + counts.dead_letters > 0 {
            let vectorizer = self.report.name.clone();
            self.events.call(&Event::Batch(BatchDone { vectorizer, counts }));
        }
    }

    /// A look at the index has ended.
    pub(super) async fn index(&mut self, looked: Result<IndexState, DatabaseError>) {
        match looked {
            Ok(state) => self.report.index_built |= state == IndexState::Built,
            Err(error) => {
                // searches are slower without it, and nothing else is wrong
                warn!(vectorizer = self.report.name, %error, "the index over the embeddings cannot be built");
                let message = format!("the index over the embeddings cannot be built: {error}");
                self.record(INDEX_FAILED, &message).await;
                self.report.error(message);
            }
        }
    }

    /// The vectorizer waits.
    pub(super) fn waiting(&self, reason: &str) {
        let vectorizer = &self.report.name;
        warn!(vectorizer, reason, "the vectorizer waits");
        self.events.call(&Event::Waiting {
            vectorizer: vectorizer.clone(),
            reason: reason.to_owned(),
        });
    }

    /// Records that the vectorizer waits, for how long, and whether someone has to change something or it is meant to
    /// wait.
    pub(super) async fn waits(&mut self, message: &str, why: (bool, bool), wait: Option<Duration>) {
        self.waits = Some(true);
        self.tracking.waits(self.report.id, message, why, wait).await;
    }

    /// Records that it waits no longer.
    pub(super) async fn works(&mut self) {
        if self.waits != Some(false) {
            self.waits = Some(false);
            self.tracking.works(self.report.id).await;
        }
    }

    /// Tells a worker that stops on errors; returns whether it is one.
    pub(super) fn stops_the_worker(&mut self, message: &str) -> bool {
        let Some(failures) = &self.failures else { return false };
        let error = WorkerError::Stopped {
            vectorizer: self.report.name.clone(),
            message: message.to_owned(),
        };
        // a worker that does not hear this stops already
        failures.send(error).ok();
        self.report.error(message.to_owned());
        true
    }

    /// Records an error in the catalog, unless it was recorded lately.
    pub(super) async fn record(&mut self, what: &'static str, message: &str) {
        if !self.recorded.is_news(what, message, Instant::now()) {
            return;
        }
        self.tracking.error(self.report.id, message).await;
        if let Err(error) = record_error(&self.pool, self.report.id, what, message).await {
            debug!(%error, "the error could not be recorded in the catalog");
        }
    }

    /// Reports progress to application and catalog: not too often, unless the queue is empty.
    pub(super) async fn progress(&mut self, queue: &Queue, is_end: bool) {
        let now = Instant::now();
        if !is_end && self.reported.is_some_and(|reported| now - reported < REPORT_EVERY) {
            return;
        }
        if self.untracked.rows == 0 && self.reported.is_some() {
            return;
        }
        self.reported = Some(now);
        self.track().await;
        if self.events.is_set() {
            let pending = self.pending(queue, is_end).await;
            self.events.call(&Event::Progress(Progress {
                vectorizer: self.report.name.clone(),
                counts: self.report.counts,
                pending,
            }));
        }
    }

    /// Rows in the queue: counted now and then, and at the end.
    async fn pending(&mut self, queue: &Queue, is_end: bool) -> u64 {
        let done = self.report.counts.rows + self.report.counts.dead_letters;
        let recent = self.counted.filter(|counted| counted.at.elapsed() < COUNT_EVERY);
        if let Some(counted) = recent.filter(|_| !is_end) {
            return counted.pending.saturating_sub(done - counted.done);
        }
        // progress is shown to people: without an answer it shows none
        let pending = queue.pending(&self.pool, MOST_COUNTED).await.unwrap_or(0);
        let at = Instant::now();
        self.counted = Some(Counted { at, pending, done });
        pending
    }

    /// A provider's batch took so many tokens.
    #[cfg(feature = "embedder")]
    pub(super) fn tokens(&mut self, tokens: u64) {
        let input_tokens = Some(tokens);
        let counts = Counts {
            input_tokens,
            ..Counts::default()
        };
        self.report.counts += counts;
        self.untracked += counts;
    }

    /// Tells the catalog what was done.
    pub(super) async fn track(&mut self) {
        let counts = std::mem::take(&mut self.untracked);
        let now = Instant::now();
        let time = self.busy.map_or(Duration::ZERO, |since| now - since);
        self.busy = self.busy.map(|_| now);
        self.tracking.success(self.report.id, counts, time).await;
    }
}

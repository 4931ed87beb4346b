//! What is told to a backfill through batches, and what it tells.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::MOST_TEXTS;
use crate::worker::builder::SHORTEST_POLL_INTERVAL;

/// Batches that are at the provider at the same time.
const AT_ONCE: usize = 4;

/// How a backfill goes through OpenAI's batches. See
/// [`Worker::backfill_by_openai_batch`](crate::worker::Worker::backfill_by_openai_batch).
///
/// ```
/// use std::time::Duration;
///
/// use pgai_sea::worker::OpenAiBatch;
///
/// let batch = OpenAiBatch::new().texts(10_000).at_once(2).poll_interval(Duration::from_secs(300));
/// assert!(format!("{batch:?}").contains("texts: 10000"));
/// ```
#[derive(Clone)]
pub struct OpenAiBatch {
    pub(super) poll_interval: Duration,
    pub(super) texts: usize,
    pub(super) at_once: usize,
    hook: Arc<dyn Fn(&BatchEvent) + Send + Sync>,
}

/// What a backfill through batches tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchEvent {
    /// A batch was handed in.
    HandedIn {
        /// Its name at OpenAI.
        batch: String,
        /// Its texts.
        texts: u64,
    },
    /// OpenAI was asked how far the batches are.
    LookedAt {
        /// Those that are there.
        batches: usize,
        /// Their texts.
        texts: u64,
        /// Texts that are embedded.
        done: u64,
    },
    /// The vectors of a batch are written.
    Written {
        /// Its name at OpenAI. Empty where nothing was left to embed.
        batch: String,
        /// Texts that it embedded.
        texts: u64,
        /// Texts without a vector. They are asked for one by one, at the ordinary price.
        failed: u64,
        /// Why, if there are such: what was said of one of them, or that the batch expired.
        reason: Option<String>,
        /// Rows that are in sync since the command began.
        rows: u64,
    },
    /// It waits: the provider or the database fails, or somebody else is at it.
    Waiting {
        /// What is wrong.
        reason: String,
    },
}

/// What [`Worker::backfill_by_openai_batch`](crate::worker::Worker::backfill_by_openai_batch) did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BatchReport {
    /// The vectorizer whose rows were embedded: the new generation, if there is one. `None` if there was nothing to do.
    pub vectorizer: Option<String>,
    /// Batches that were written.
    pub batches: u64,
    /// Texts that they embedded.
    pub texts: u64,
    /// Texts of theirs that failed or expired.
    pub failed: u64,
    /// Texts that were asked for in the ordinary way, at the ordinary price.
    pub ordinary_texts: u64,
    /// Rows that are in sync since.
    pub rows: u64,
}

impl OpenAiBatch {
    /// Batches of as many texts as 128 MB of vectors are, 50,000 at most; four at once; a look every minute.
    #[must_use]
    pub fn new() -> Self {
        Self {
            poll_interval: Duration::from_mins(1),
            texts: MOST_TEXTS,
            at_once: AT_ONCE,
            hook: Arc::new(|_| {}),
        }
    }

    /// How often OpenAI is asked how far the batches are. Default: 1 minute; at least 10 milliseconds.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval.max(SHORTEST_POLL_INTERVAL);
        self
    }

    /// At most about so many texts in a batch. Never more than 50,000.
    #[must_use]
    pub fn texts(mut self, texts: usize) -> Self {
        self.texts = texts.clamp(1, MOST_TEXTS);
        self
    }

    /// So many batches at the same time. Default: 4. OpenAI limits the texts that an account has in batches; then there
    /// are fewer.
    #[must_use]
    pub fn at_once(mut self, batches: usize) -> Self {
        self.at_once = batches.max(1);
        self
    }

    /// Calls `hook` with each [`BatchEvent`].
    #[must_use]
    pub fn on_event(mut self, hook: impl Fn(&BatchEvent) + Send + Sync + 'static) -> Self {
        self.hook = Arc::new(hook);
        self
    }

    pub(super) fn tell(&self, event: &BatchEvent) {
        (self.hook)(event);
    }

    pub(super) fn waits(&self, reason: impl Into<String>) {
        let reason = reason.into();
        self.tell(&BatchEvent::Waiting { reason });
    }
}

impl Default for OpenAiBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for OpenAiBatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OpenAiBatch")
            .field("poll_interval", &self.poll_interval)
            .field("texts", &self.texts)
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}

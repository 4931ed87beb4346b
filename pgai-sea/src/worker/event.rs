//! What the application is told while the worker runs.

use std::fmt;
use std::sync::Arc;

use super::counts::Counts;
use crate::catalog::VectorizerStatus;

/// What [`Worker::on_event`](super::Worker::on_event) is told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// How far a vectorizer is. Told a few times a second at most, and when its queue is empty.
    Progress(Progress),
    /// A batch was written.
    Batch(BatchDone),
    /// A row was given up.
    DeadLetter(NewDeadLetter),
    /// A vectorizer waits, because its provider or the database fails or its configuration cannot work. Told after each
    /// attempt.
    Waiting {
        /// The vectorizer's name.
        vectorizer: String,
        /// What is wrong.
        reason: String,
    },
    /// How far the worker's vectorizers are, by id. Told as often as
    /// [`Worker::observe_every`](super::Worker::observe_every) says.
    Observed(Vec<VectorizerStatus>),
}

/// How far a vectorizer is in this run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The vectorizer's name.
    pub vectorizer: String,
    /// What was done since the run began.
    pub counts: Counts,
    /// Rows in the queue, leased ones included. Counted up to a million.
    pub pending: u64,
}

/// A batch that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchDone {
    /// The vectorizer's name.
    pub vectorizer: String,
    /// What the batch did.
    pub counts: Counts,
}

/// A row that has failed for the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewDeadLetter {
    /// The vectorizer's name.
    pub vectorizer: String,
    /// The row's key: each column's name and text.
    pub key: serde_json::Map<String, serde_json::Value>,
    /// The step that failed: `loading`, `chunking`, `embedding` or `writing`.
    pub step: &'static str,
    /// What went wrong.
    pub reason: String,
}

type Listen = dyn Fn(&Event) + Send + Sync;

/// The application's function that is called with each event, if there is one.
#[derive(Clone, Default)]
pub(crate) struct EventHook(Option<Arc<Listen>>);

impl EventHook {
    pub(crate) fn new(hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn call(&self, event: &Event) {
        if let Some(hook) = &self.0 {
            hook(event);
        }
    }
}

impl fmt::Debug for EventHook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_set() {
            "EventHook(..)"
        } else {
            "EventHook(none)"
        })
    }
}

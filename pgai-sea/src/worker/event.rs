//! Telling the application what happens.

use std::fmt;
use std::sync::Arc;

/// What [`Worker::on_event`](super::Worker::on_event) is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A batch was written.
    Batch(BatchDone),
    /// A row was given up.
    DeadLetter(DeadLetter),
    /// A vectorizer waits: its provider or the database fails, or its configuration cannot work. Told each time that it was tried in vain.
    Trouble {
        /// The vectorizer's name.
        vectorizer: String,
        /// What is wrong.
        message: String,
    },
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchDone {
    /// The vectorizer's name.
    pub vectorizer: String,
    /// Source rows whose embeddings are those of their text now.
    pub rows: u64,
    /// Chunks written with a new embedding.
    pub chunks_written: u64,
    /// Chunks that kept theirs.
    pub chunks_kept: u64,
    /// Requests to the provider.
    pub requests: u64,
    /// Tokens in what it was sent, as it counts them; `None` if it did not say.
    pub input_tokens: Option<u64>,
    /// Rows that failed and will be tried again.
    pub deferred: u64,
}

/// A row that has failed for the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The vectorizer's name.
    pub vectorizer: String,
    /// The row's key: each column's name and text.
    pub key: serde_json::Map<String, serde_json::Value>,
    /// `loading`, `chunking`, `embedding` or `writing`.
    pub step: &'static str,
    /// What went wrong.
    pub reason: String,
}

/// What is called with a `T`.
pub(crate) struct Hook<T>(Option<Arc<Listener<T>>>);

type Listener<T> = dyn Fn(&T) + Send + Sync;

impl<T> Hook<T> {
    pub(crate) fn new(hook: impl Fn(&T) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn call(&self, told: &T) {
        if let Some(hook) = &self.0 {
            hook(told);
        }
    }
}

impl<T> Default for Hook<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Clone for Hook<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Hook<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_set() { "Hook(..)" } else { "Hook(none)" })
    }
}

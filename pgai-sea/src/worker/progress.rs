//! Telling a person how far it is.

use std::fmt;
use std::sync::Arc;

/// How far a vectorizer is in this run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The vectorizer's name.
    pub vectorizer: String,
    /// Source rows done since the run began.
    pub rows: u64,
    /// Chunks written with a new embedding since the run began.
    pub chunks: u64,
    /// Queue rows still there, leased ones included; counted up to a million.
    pub pending: u64,
}

type Listener = dyn Fn(&Progress) + Send + Sync;

/// What is called with it.
#[derive(Clone, Default)]
pub(crate) struct Hook(Option<Arc<Listener>>);

impl Hook {
    pub(crate) fn new(hook: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn call(&self, progress: &Progress) {
        if let Some(hook) = &self.0 {
            hook(progress);
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_set() { "Hook(..)" } else { "Hook(none)" })
    }
}

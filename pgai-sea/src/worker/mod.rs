//! The worker: keeps every vectorizer's embeddings those of its source rows' current text.

mod splitter;

pub use self::splitter::SplitError;

//! The worker: keeps every vectorizer's embeddings those of its source rows' current text.

mod splitter;
mod template;

pub use self::splitter::SplitError;
pub use self::template::TemplateError;

//! The worker: keeps every vectorizer's embeddings those of its source rows' current text.

mod assignment;
mod builder;
mod column;
mod columns;
mod embed;
mod embedders;
mod error;
mod failure;
mod lane;
mod lease;
mod names;
mod pipeline;
mod progress;
mod queue;
mod report;
mod retry;
mod run;
mod settle;
mod source;
mod splitter;
mod store;
mod template;
mod tracking;
mod trouble;

pub use self::builder::Worker;
pub use self::error::WorkerError;
pub use self::progress::Progress;
pub use self::report::{Report, VectorizerReport};
pub use self::splitter::SplitError;
pub use self::template::TemplateError;

//! A search in two steps: it finds a window of the nearest rows, and puts them in a better order.
//!
//! Three steps order the window. Each is optional. They run in this order:
//!
//! 1. [`hybrid`](Ranking::hybrid) fuses it with the rows that a full-text search finds.
//! 2. [`rerank`](Ranking::rerank) asks a [`Reranker`](crate::rerank::Reranker).
//! 3. [`diversify`](Ranking::diversify) leaves out hits that say the same as a better one.
//!
//! The page is cut from what they return.

mod builder;
mod columns;
mod diversity;
mod full_text;
mod fusion;
mod ranked;
pub(super) mod rerank;
mod run;
mod statement;

pub use self::builder::Ranking;
pub use self::full_text::FullText;
pub use self::ranked::Ranked;
#[cfg(feature = "testing")]
pub(super) use self::statement::COUNT;

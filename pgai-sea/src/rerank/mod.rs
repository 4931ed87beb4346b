//! Models that judge how well a passage answers a question.
//!
//! Implement [`Reranker`] and give it to [`Search::rerank`](crate::search::Search::rerank):
//!
//! ```
//! use pgai_sea::rerank::{RerankError, Reranker};
//!
//! /// Prefers short passages.
//! #[derive(Debug)]
//! struct Shortest;
//!
//! #[async_trait::async_trait]
//! impl Reranker for Shortest {
//!     async fn rerank(&self, _query: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
//!         Ok(passages.iter().map(|passage| 1.0 / (1.0 + passage.len() as f32)).collect())
//!     }
//! }
//! ```

mod error;

use std::fmt;

use async_trait::async_trait;

pub use self::error::RerankError;

/// A model that reads a query and a passage together: a cross-encoder in this process, or a provider's reranking API.
///
/// The [module](self) has an example.
#[async_trait]
pub trait Reranker: fmt::Debug + Send + Sync {
    /// Scores each passage, in the order of `passages`. A larger score is better. Every score is finite.
    ///
    /// # Errors
    ///
    /// Whatever the model fails with. The search that asked fails with it.
    async fn rerank(&self, query: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError>;
}

//! Models that judge how well a passage answers a question.
//!
//! Give one to [`Search::rerank`](crate::search::Search::rerank). It orders the nearest hits anew:
//!
//! | server | reranker |
//! |---|---|
//! | Cohere | `Cohere` |
//! | Voyage AI | `VoyageAi` |
//! | Jina AI | `Jina` |
//! | text-embeddings-inference | `TextEmbeddingsInference` |
//! | vLLM, llama.cpp, LiteLLM, Infinity, others | `RerankServer` |
//! | none: a cross-encoder runs in this process | `LocalReranker` |
//!
//! The last one needs the feature `local`, the others `embedder`. A request that is larger than a server takes becomes
//! several. [`or_keep_order`](crate::search::Ranking::or_keep_order) says what a search does if the server fails or is
//! slow.
//!
//! For another model implement [`Reranker`]:
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

#[cfg(feature = "embedder")]
mod api;
#[cfg(feature = "embedder")]
mod cohere;
mod error;
#[cfg(feature = "embedder")]
mod jina;
#[cfg(feature = "local")]
mod local;
#[cfg(feature = "embedder")]
mod server;
#[cfg(feature = "embedder")]
mod voyageai;

use std::fmt;

use async_trait::async_trait;

pub use self::error::RerankError;
#[cfg(feature = "local")]
#[cfg_attr(docsrs, doc(cfg(feature = "local")))]
pub use self::local::LocalReranker;
#[cfg(feature = "embedder")]
#[cfg_attr(docsrs, doc(cfg(feature = "embedder")))]
pub use self::{
    cohere::Cohere,
    jina::Jina,
    server::{RerankServer, TextEmbeddingsInference},
    voyageai::VoyageAi,
};

/// A model that reads a query and a passage together: a cross-encoder in this process, or a provider's reranking API.
///
/// The [module](self) has an example.
#[async_trait]
pub trait Reranker: fmt::Debug + Send + Sync {
    /// Scores each passage, in the order of `passages`. A larger score is better. Every score is finite.
    ///
    /// # Errors
    ///
    /// Whatever the model fails with. The search that asked fails with it, or keeps its order.
    async fn rerank(&self, query: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError>;
}

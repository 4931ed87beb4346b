//! Models that read a question and a passage together.

use std::fmt;

use async_trait::async_trait;

use super::hit::Ranked;
use crate::search::error::SearchError;

/// A model that judges how well passages answer a query: a cross-encoder in the process, or a provider's reranking API.
///
/// ```
/// use pgai_sea::search::{RerankError, Reranker};
///
/// /// Prefers what is short.
/// #[derive(Debug)]
/// struct Terse;
///
/// #[async_trait::async_trait]
/// impl Reranker for Terse {
///     async fn rerank(&self, _query: &str, passages: &[String]) -> Result<Vec<f32>, RerankError> {
///         Ok(passages.iter().map(|passage| 1.0 / (1.0 + passage.len() as f32)).collect())
///     }
/// }
/// ```
#[async_trait]
pub trait Reranker: fmt::Debug + Send + Sync {
    /// One finite score per passage, in their order, larger for better.
    async fn rerank(&self, query: &str, passages: &[String]) -> Result<Vec<f32>, RerankError>;
}

/// Why a [`Reranker`] gave no scores: whatever it wants to say.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RerankError {
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl RerankError {
    /// Says what went wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// With what caused it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// A reranker with what it is asked.
pub(super) struct Reranking<'a, H> {
    reranker: &'a dyn Reranker,
    query: String,
    passage: Box<dyn Fn(&H) -> String + Send + Sync + 'a>,
}

impl<H> fmt::Debug for Reranking<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reranking")
            .field("reranker", &self.reranker)
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

impl<'a, H> Reranking<'a, H> {
    pub(super) fn new(
        reranker: &'a dyn Reranker,
        query: String,
        passage: impl Fn(&H) -> String + Send + Sync + 'a,
    ) -> Self {
        Self {
            reranker,
            query,
            passage: Box::new(passage),
        }
    }

    /// Gives each hit its score.
    pub(super) async fn score(&self, hits: &mut [Ranked<H>]) -> Result<(), SearchError> {
        if hits.is_empty() {
            return Ok(());
        }
        let passages: Vec<String> = hits.iter().map(|hit| (self.passage)(&hit.hit)).collect();
        let scores = self.reranker.rerank(&self.query, &passages).await?;
        if scores.len() != passages.len() {
            let message = format!(
                "the reranker gave {} scores for {} passages",
                scores.len(),
                passages.len()
            );
            return Err(RerankError::new(message).into());
        }
        for (position, (hit, score)) in hits.iter_mut().zip(scores).enumerate() {
            if !score.is_finite() {
                let message = format!(
                    "the reranker gave {score} for the passage at position {position}: a score has to be finite, or it cannot be \
                     weighed against others"
                );
                return Err(RerankError::new(message).into());
            }
            hit.rerank_score = Some(f64::from(score));
        }
        Ok(())
    }
}

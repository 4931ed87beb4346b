//! The reranking step.

use std::fmt;

use super::ranked::Ranked;
use crate::rerank::{RerankError, Reranker};
use crate::search::error::SearchError;

/// A reranker, the query, and how to read a passage from a hit.
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
        let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
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
                    "the reranker gave {score} for the passage at position {position}: return finite scores, others \
                        cannot be compared"
                );
                return Err(RerankError::new(message).into());
            }
            hit.rerank_score = Some(f64::from(score));
        }
        Ok(())
    }
}

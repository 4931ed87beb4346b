//! The reranking step.

use std::fmt;
use std::sync::Arc;

use crate::rerank::{RerankError, Reranker};

/// How the passage of a hit is read.
type Passage<'a, H> = dyn Fn(&H) -> String + Send + Sync + 'a;

/// A reranker, the query, and how to read a passage from a hit.
pub(in crate::search) struct Reranking<'a, H> {
    reranker: &'a dyn Reranker,
    query: String,
    passage: Arc<Passage<'a, H>>,
    /// Whether the hits keep their order if the reranker fails.
    pub(in crate::search) may_fail: bool,
}

impl<H> Clone for Reranking<'_, H> {
    fn clone(&self) -> Self {
        Self {
            reranker: self.reranker,
            query: self.query.clone(),
            passage: Arc::clone(&self.passage),
            may_fail: self.may_fail,
        }
    }
}

impl<H> fmt::Debug for Reranking<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reranking")
            .field("reranker", &self.reranker)
            .field("query", &self.query)
            .field("may_fail", &self.may_fail)
            .finish_non_exhaustive()
    }
}

impl<'a, H> Reranking<'a, H> {
    pub(in crate::search) fn new(
        reranker: &'a dyn Reranker,
        query: String,
        passage: impl Fn(&H) -> String + Send + Sync + 'a,
    ) -> Self {
        Self {
            reranker,
            query,
            passage: Arc::new(passage),
            may_fail: false,
        }
    }

    /// A score for each hit.
    pub(in crate::search) async fn scores(&self, hits: &[&H]) -> Result<Vec<f64>, RerankError> {
        if hits.is_empty() {
            return Ok(Vec::new());
        }
        let passages: Vec<String> = hits.iter().map(|hit| (self.passage)(hit)).collect();
        let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
        let scores = self.reranker.rerank(&self.query, &passages).await?;
        if scores.len() != passages.len() {
            return Err(RerankError::new(format!(
                "the reranker gave {} scores for {} passages",
                scores.len(),
                passages.len()
            )));
        }
        if let Some((position, score)) = scores.iter().enumerate().find(|(_, score)| !score.is_finite()) {
            return Err(RerankError::new(format!(
                "the reranker gave {score} for the passage at position {position}: return finite scores, others cannot \
                 be compared"
            )));
        }
        Ok(scores.into_iter().map(f64::from).collect())
    }
}

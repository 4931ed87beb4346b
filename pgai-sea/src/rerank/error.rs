//! Why a reranker gave no scores.

use std::error::Error;
use std::time::Duration;

/// Why a [`Reranker`](super::Reranker) gave no scores.
///
/// ```
/// use pgai_sea::rerank::RerankError;
///
/// let cause = std::io::Error::other("connection refused");
/// let error = RerankError::new("the model does not answer").because(cause);
/// assert_eq!(error.to_string(), "the model does not answer: connection refused");
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{message}{}", .source.as_ref().map(|source| format!(": {source}")).unwrap_or_default())]
pub struct RerankError {
    message: String,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl RerankError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            retry_after: None,
            source: None,
        }
    }

    /// Adds the cause, which the message then ends with.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds how long the model asked to wait.
    #[must_use]
    pub fn with_wait(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.retry_after = wait.into();
        self
    }

    /// How long the model asked to wait (`Retry-After`).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

//! What can go wrong between a text and its vector.

use std::time::Duration;

/// Why an [`Embedder`](super::Embedder) gave no vectors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// Nobody answered: connection refused, name not found, timeout, or an answer that broke off.
    #[error("{provider} cannot be reached at {url}: check that it runs and that the address is right")]
    Unreachable {
        /// The provider, as configurations call it: `openai`, `ollama`.
        provider: &'static str,
        /// The address that was asked.
        url: String,
        /// What the HTTP client said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The provider asked to slow down (429), or is overloaded (500 and above).
    #[error("{provider} answered {status}, try again later: {message}")]
    Unavailable {
        /// The provider.
        provider: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the provider said.
        message: String,
        /// How long it asked to wait (`Retry-After`), if it did.
        retry_after: Option<Duration>,
    },
    /// The provider refuses these texts (400, 413, 422): too long, empty, or not allowed.
    #[error("{provider} refuses the input with {status}: {message}")]
    Refused {
        /// The provider.
        provider: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the provider said.
        message: String,
    },
    /// The configuration cannot work: no API key, unknown model, not authorised (401, 403, 404).
    #[error("{provider} cannot embed: {message}")]
    Configuration {
        /// The provider.
        provider: &'static str,
        /// What is wrong and what to set.
        message: String,
    },
    /// The provider answered with something else than one vector per text.
    #[error("{provider} gave an unusable answer: {message}")]
    Answer {
        /// The provider.
        provider: &'static str,
        /// What was wrong with it.
        message: String,
    },
    /// The embedder itself broke: a model that cannot be run, or whatever an embedder of one's own wants to say.
    #[error("{provider} failed")]
    Failed {
        /// The provider.
        provider: &'static str,
        /// How.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl EmbedError {
    /// Whether the same request may succeed later with nothing changed: the provider is down, slow or limits the rate.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unavailable { .. })
    }

    /// How long the provider asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

//! What can go wrong between a text and its vector.

use std::error::Error;
use std::time::Duration;

/// Why an [`Embedder`](super::Embedder) returned no vectors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// The provider did not answer: connection refused, name not found, timeout, or the response broke off.
    #[error("{provider} cannot be reached at {url}: {}; check that it runs there", with_causes(source.as_ref()))]
    Unreachable {
        /// The provider, as configurations call it: `openai`, `ollama`.
        provider: &'static str,
        /// The URL that was asked, without user, password and query.
        url: String,
        /// What the HTTP client reported.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The provider limits the rate (429) or is overloaded (500 and above). The same request may succeed later.
    #[error("{provider} answered {status}, try again later: {message}")]
    Unavailable {
        /// The provider.
        provider: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the provider said.
        message: String,
        /// How long the provider asked to wait (`Retry-After`).
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
    /// The configuration cannot work: no API key, an unknown model, not authorised (401, 403, 404).
    #[error("{provider} cannot embed: {message}")]
    Configuration {
        /// The provider.
        provider: &'static str,
        /// What is wrong, and what to set.
        message: String,
    },
    /// The response is not one vector for each text.
    #[error("{provider} gave an unusable answer: {message}")]
    Answer {
        /// The provider.
        provider: &'static str,
        /// What is wrong with the response.
        message: String,
    },
    /// The embedder itself failed: a model that cannot run, or any error of an embedder of your own.
    #[error("{provider} failed: {}", with_causes(source.as_ref()))]
    Failed {
        /// The provider.
        provider: &'static str,
        /// How it failed.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl EmbedError {
    /// Whether the same request may succeed later without any change: the provider is down, slow, or limits the rate.
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

    /// A configuration names a model of this process, which was not given one of that name.
    pub(crate) fn not_given(model: &str) -> Self {
        Self::Configuration {
            provider: "the local model",
            message: format!(
                "`{model}` runs in the process that embeds, and this one was not given it: pass --local-model \
                 {model}=DIR, or `.embedder(\"local\", \"{model}\", Local::from_dir(..)?)` to the worker or to \
                 `Embedders`"
            ),
        }
    }

    /// No API key was given, and the variable `name` holds none.
    #[cfg(feature = "embedder")]
    pub(super) fn missing_key(provider: &'static str, name: &str) -> Self {
        Self::Configuration {
            provider,
            message: format!(
                "`{name}` should hold the API key and is not set: set this environment variable where the worker \
                 runs, or name another one as the vectorizer's api_key_name"
            ),
        }
    }
}

/// An error's text with those of its causes.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

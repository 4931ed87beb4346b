//! Turning text into vectors: the [`Embedder`] trait, and behind features the providers that implement it.
//!
//! The worker embeds chunks with it, a search its query text. Implement it for a provider of your own;
//! one method is enough.

mod error;
#[cfg(feature = "embedder")]
mod from_config;
#[cfg(feature = "embedder")]
mod http;
#[cfg(feature = "local")]
mod local;
#[cfg(feature = "embedder")]
mod ollama;
#[cfg(feature = "embedder")]
mod ollama_host;
#[cfg(feature = "embedder")]
mod openai;
#[cfg(feature = "embedder")]
mod rejection;
#[cfg(feature = "embedder")]
mod tokens;

pub use self::error::EmbedError;
#[cfg(feature = "local")]
#[cfg_attr(docsrs, doc(cfg(feature = "local")))]
pub use self::local::{Local, LocalError};
#[cfg(feature = "embedder")]
#[cfg_attr(docsrs, doc(cfg(feature = "embedder")))]
pub use self::{
    from_config::{environment, from_config},
    ollama::Ollama,
    openai::OpenAi,
};

use std::fmt::Debug;

use async_trait::async_trait;

/// What a text is embedded for. Providers with asymmetric models (Voyage, Cohere) embed the two differently;
/// the others ignore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum InputType {
    /// A chunk that will be stored and searched.
    #[default]
    Document,
    /// The text of a search.
    Query,
}

/// How much one request may carry. The worker cuts its batches to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestLimits {
    /// The most texts in one request.
    pub inputs: usize,
    /// The most tokens in one request, estimated as UTF-8 bytes / 4 as pgai does; `None` where only texts count.
    pub tokens: Option<usize>,
}

impl RequestLimits {
    /// At most `inputs` texts a request, no limit in tokens.
    #[must_use]
    pub fn inputs(inputs: usize) -> Self {
        Self {
            inputs: inputs.max(1),
            tokens: None,
        }
    }

    /// The same, and at most `tokens` estimated tokens a request.
    #[must_use]
    pub fn tokens(mut self, tokens: usize) -> Self {
        self.tokens = Some(tokens);
        self
    }
}

impl Default for RequestLimits {
    /// 2,048 texts, what OpenAI and Ollama take.
    fn default() -> Self {
        Self::inputs(2048)
    }
}

/// Something that turns texts into vectors.
#[async_trait]
pub trait Embedder: Debug + Send + Sync {
    /// Embeds `texts`: as many vectors as texts, in their order, all of one length.
    ///
    /// No call carries more than [`limits`](Self::limits) allows, or no text at all.
    ///
    /// # Errors
    ///
    /// An [`EmbedError`]; its [`is_transient`](EmbedError::is_transient) decides whether the worker waits and tries the same
    /// texts again, or looks for the text that the provider refuses.
    async fn embed(&self, texts: &[String], input_type: InputType) -> Result<Vec<Vec<f32>>, EmbedError>;

    /// The limits of one request.
    fn limits(&self) -> RequestLimits {
        RequestLimits::default()
    }
}

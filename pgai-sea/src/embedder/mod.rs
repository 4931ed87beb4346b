//! Turning text into vectors: the [`Embedder`] trait, and behind features the providers that implement it.
//!
//! The worker embeds chunks with it, a search its query text. Implement it for a provider of your own;
//! one method is enough.
//!
//! # Providers
//!
//! What a vectorizer's configuration names, [`from_config`] makes an embedder of:
//!
//! | configuration | embedder | the most in one request | key, if no name of one is configured |
//! |---|---|---|---|
//! | `embedding_openai` | `OpenAi` | 2,048 texts, 300,000 tokens | `OPENAI_API_KEY` |
//! | `embedding_ollama` | `Ollama` | 2,048 texts | |
//! | `embedding_voyageai` | `VoyageAi` | 1,000 texts; 1,000,000, 320,000 or 120,000 tokens, by model | `VOYAGE_API_KEY` |
//! | `embedding_litellm` | what `LiteLlm` makes of the model's prefix: OpenAI, Azure, Cohere, Mistral, Hugging Face, Voyage AI, Ollama, or LiteLLM's proxy | the provider's | the provider's |
//!
//! Keys are read from the environment where the worker runs, in the worker also from `ai.reveal_secret` where the database has it, or given
//! in code. They go into the one header that the provider reads them from; no log, error or `Debug` output shows them.
//!
//! Tokens are counted for OpenAI's models. Other providers' tokenizers are not to be had without asking a server, so that for them the
//! count is an estimate that is rather too high; and a request that is refused all the same is made again in halves.
//!
//! Trust in certificates is the operating system's, and TLS is rustls's.

#[cfg(feature = "embedder")]
mod call;
mod error;
#[cfg(feature = "embedder")]
mod fields;
#[cfg(feature = "embedder")]
mod from_config;
#[cfg(feature = "embedder")]
mod http;
#[cfg(feature = "embedder")]
mod litellm;
#[cfg(feature = "local")]
mod local;
#[cfg(feature = "embedder")]
mod ollama;
#[cfg(feature = "embedder")]
mod ollama_host;
#[cfg(feature = "embedder")]
mod openai;
#[cfg(feature = "embedder")]
mod openai_api;
#[cfg(feature = "embedder")]
mod packed;
#[cfg(feature = "embedder")]
mod rejection;
#[cfg(feature = "embedder")]
mod tokens;
#[cfg(feature = "embedder")]
mod voyage;

pub use self::error::EmbedError;
#[cfg(feature = "local")]
#[cfg_attr(docsrs, doc(cfg(feature = "local")))]
pub use self::local::{Local, LocalError};
#[cfg(feature = "embedder")]
#[cfg_attr(docsrs, doc(cfg(feature = "embedder")))]
pub use self::{
    call::report_input_tokens,
    from_config::{environment, from_config},
    litellm::LiteLlm,
    ollama::Ollama,
    openai::OpenAi,
    voyage::VoyageAi,
};

#[cfg(feature = "worker")]
pub(crate) use self::call::{Call, observed};

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
    /// The most tokens in one request, as [`Embedder::count_tokens`] counts; `None` where only texts count.
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

    /// The same, and at most `tokens` tokens a request.
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

    /// How many requests it is made at once by a worker that nobody has told a number
    /// ([`processing_default(concurrency => ..)`](crate::config::Processing)); by default 1.
    fn default_concurrency(&self) -> usize {
        1
    }

    /// The tokens that `text` counts for in the provider's limits, not more than its bytes. UTF-8 bytes / 4, if nothing better is known.
    fn count_tokens(&self, text: &str) -> usize {
        text.len().div_ceil(4)
    }
}

//! Turning texts into vectors: the [`Embedder`] trait, and the providers that implement it.
//!
//! The worker embeds chunks with an [`Embedder`], a search embeds its text with one. [`from_config`] makes the embedder
//! that a vectorizer's configuration names. To use another model or provider, implement the trait. One method is
//! enough:
//!
//! ```
//! use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType};
//!
//! /// Embeds by counting letters: enough for a test.
//! #[derive(Debug)]
//! struct Letters;
//!
//! #[async_trait::async_trait]
//! impl Embedder for Letters {
//!     async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
//!         let count = |text: &&str| ('a'..='z').map(|letter| text.matches(letter).count() as f32).collect();
//!         Ok(Embeddings::new(texts.iter().map(count).collect()))
//!     }
//! }
//! ```
//!
//! Give it to the worker with `Worker::embedder`, and to a search with `search_text`.
//!
//! # Providers
//!
//! | configuration | embedder | most in one request | environment variable of the key, by default |
//! |---|---|---|---|
//! | `embedding_openai` | `OpenAi` | 2,048 texts, 300,000 tokens | `OPENAI_API_KEY` |
//! | `embedding_ollama` | `Ollama` | 2,048 texts | |
//! | `embedding_voyageai` | `VoyageAi` | 1,000 texts, 120,000 tokens or more by model | `VOYAGE_API_KEY` |
//! | `embedding_litellm` | `LiteLlm` | the provider's | the provider's |
//! | `embedding_local` | `Local`, or any other that is given under this name | any | |
//!
//! `LiteLlm` asks the provider that the model's prefix names: OpenAI, Azure, Cohere, Mistral, Hugging Face, Voyage AI,
//! Ollama, or LiteLLM's proxy.
//!
//! A key comes from the environment of the worker, or from your code. The worker also asks `ai.reveal_secret` if the
//! database has that function. The key goes into the one header that the provider reads. No log, error or `Debug`
//! output shows it.
//!
//! Tokens are counted exactly for OpenAI's models. For other providers the count is an estimate on the high side. If a
//! provider refuses a request as too large all the same, the worker halves it.
//!
//! TLS is rustls, and it trusts the certificates that the operating system trusts.
//!
//! # Prompts
//!
//! Some models want to be told whether a text is a question or a document: [`Prompts`]. `VoyageAi` and Cohere are told
//! with each request. `Local` does what the model's files say. For other servers, wrap the embedder in [`Prompted`].
//!
//! # Adding a provider
//!
//! A provider is one file here, beside `voyageai.rs`: what it posts, what comes back, and its limits. `http` sends
//! requests, hides keys and tells by the status whose fault a refusal is. `from_config` maps the catalog's
//! configuration to the provider.

#[cfg_attr(
    not(feature = "embedder"),
    allow(dead_code, reason = "only what is configured is judged")
)]
pub(crate) mod allowed;
mod embedders;
#[cfg(feature = "embedder")]
mod environment;
mod error;
#[cfg(feature = "embedder")]
mod from_config;
#[cfg(feature = "embedder")]
pub(crate) mod http;
#[cfg(feature = "embedder")]
mod litellm;
#[cfg(feature = "local")]
pub(crate) mod local;
#[cfg(feature = "embedder")]
mod ollama;
#[cfg(feature = "embedder")]
mod openai;
mod prompts;
mod query_cache;
mod request;
#[cfg(feature = "embedder")]
mod voyageai;

pub(crate) use self::embedders::Answering;
pub use self::embedders::Embedders;
pub use self::error::EmbedError;
#[cfg(feature = "hub")]
#[cfg_attr(docsrs, doc(cfg(feature = "hub")))]
pub use self::local::Hub;
#[cfg(feature = "local")]
#[cfg_attr(docsrs, doc(cfg(feature = "local")))]
pub use self::local::{Local, LocalError};
pub use self::prompts::{Prompted, Prompts};
pub use self::request::{Embeddings, InputType, RequestLimits, ServerAddress};
#[cfg(feature = "embedder")]
#[cfg_attr(docsrs, doc(cfg(feature = "embedder")))]
pub use self::{
    environment::environment, from_config::from_config, litellm::LiteLlm, ollama::Ollama, openai::OpenAi,
    voyageai::VoyageAi,
};

#[cfg(all(feature = "embedder", feature = "worker"))]
pub(crate) use self::{
    from_config::openai_of,
    openai::{Answered, Batch, Batches, is_limit},
};

use std::fmt::Debug;

use async_trait::async_trait;

/// Turns texts into vectors.
#[async_trait]
pub trait Embedder: Debug + Send + Sync {
    /// Embeds `texts`. Returns as many vectors as texts, in the order of the texts, all of the same length.
    ///
    /// The worker never passes more than [`limits`](Self::limits) allows, and never an empty slice.
    ///
    /// # Errors
    ///
    /// An [`EmbedError`]. After a [transient](EmbedError::is_transient) one the worker waits and sends the same texts
    /// again. After any other it looks for the text that the provider refuses.
    async fn embed(&self, texts: &[&str], input_type: InputType) -> Result<Embeddings, EmbedError>;

    /// Embeds the text of a search.
    ///
    /// # Errors
    ///
    /// What [`embed`](Self::embed) returns, and [`EmbedError::Answer`] if it returns another number of vectors than
    /// one.
    async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let embeddings = self.embed(&[text], InputType::Query).await?;
        <[Vec<f32>; 1]>::try_from(embeddings.vectors)
            .map(|[vector]| vector)
            .map_err(|vectors| EmbedError::Answer {
                provider: "the embedder",
                message: format!("{} vectors for 1 text", vectors.len()),
            })
    }

    /// How much fits into one request. By default 2,048 texts.
    fn limits(&self) -> RequestLimits {
        RequestLimits::default()
    }

    /// How many requests the worker makes at the same time, if neither it nor the vectorizer's configuration
    /// ([`processing_default(concurrency => ..)`](crate::config::Processing)) says. By default 1.
    fn default_concurrency(&self) -> usize {
        1
    }

    /// How many tokens `text` counts for in the provider's limits. Never more than its bytes. By default a quarter of
    /// its bytes.
    fn count_tokens(&self, text: &str) -> usize {
        text.len().div_ceil(4)
    }

    /// The server that is asked. Traces and metrics name it. `None` for a model in this process.
    fn server(&self) -> Option<ServerAddress> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with so many vectors, whatever it is asked.
    #[derive(Debug)]
    struct Fixed(usize);

    #[async_trait]
    impl Embedder for Fixed {
        async fn embed(&self, texts: &[&str], input_type: InputType) -> Result<Embeddings, EmbedError> {
            assert_eq!((texts, input_type), (["a search"].as_slice(), InputType::Query));
            Ok(vec![vec![0.5]; self.0].into())
        }
    }

    #[tokio::test]
    async fn a_query_has_exactly_one_vector() {
        assert_eq!(Fixed(1).embed_query("a search").await.unwrap(), [0.5]);
        for count in [0, 2] {
            let error = Fixed(count).embed_query("a search").await.unwrap_err();
            assert!(matches!(error, EmbedError::Answer { .. }), "{error}");
            assert!(
                error.to_string().contains(&format!("{count} vectors for 1 text")),
                "{error}"
            );
        }
    }
}

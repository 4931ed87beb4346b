//! Ollama: `ai.embedding_ollama`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Embedding, ShownUrl, Tag, check_json, check_model, check_texts};
use crate::config::{ConfigError, Other};
use crate::sql::Call;

impl Embedding {
    /// Ollama, which runs models on your own machines.
    ///
    /// ```
    /// use pgai_sea::config::Embedding;
    ///
    /// assert_eq!(
    ///     Embedding::ollama("all-minilm", 384).keep_alive("5m").to_sql(),
    ///     "ai.embedding_ollama(model => 'all-minilm', dimensions => 384, keep_alive => '5m')"
    /// );
    /// ```
    #[must_use]
    pub fn ollama(model: impl Into<String>, dimensions: i32) -> EmbeddingOllama {
        EmbeddingOllama {
            config_type: Tag::Tag,
            model: model.into(),
            dimensions,
            base_url: None,
            options: None,
            keep_alive: None,
            other: Other::new(),
        }
    }
}

/// Ollama. See [`Embedding::ollama`].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EmbeddingOllama {
    #[serde(default)]
    config_type: Tag,
    /// The model's name.
    pub model: String,
    /// The length of the vectors.
    pub dimensions: i32,
    /// Where Ollama listens. By default the worker's `OLLAMA_HOST`, else `http://localhost:11434`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The model's own parameters, as Ollama takes them: `{"num_ctx": 2048}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<serde_json::Value>,
    /// How long Ollama keeps the model loaded: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<String>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl fmt::Debug for EmbeddingOllama {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddingOllama")
            .field("model", &self.model)
            .field("dimensions", &self.dimensions)
            .field("base_url", &ShownUrl(self.base_url.as_deref()))
            .field("options", &self.options)
            .field("keep_alive", &self.keep_alive)
            .field("other", &self.other)
            .finish_non_exhaustive()
    }
}

impl EmbeddingOllama {
    /// Where Ollama listens. By default the worker's `OLLAMA_HOST`, else `http://localhost:11434`.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = Some(base_url.into());
        self
    }

    /// The model's own parameters, as Ollama takes them: `{"num_ctx": 2048}`. The catalog drops keys that are null.
    #[must_use]
    pub fn options(mut self, options: serde_json::Value) -> Self {
        self.options = Some(options);
        self
    }

    /// How long Ollama keeps the model loaded: `5m`.
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: impl Into<String>) -> Self {
        self.keep_alive = Some(keep_alive.into());
        self
    }

    pub(crate) fn call(&self) -> Call {
        Call::new("embedding_ollama")
            .arg("model", Some(&self.model))
            .arg("dimensions", Some(self.dimensions))
            .arg("base_url", self.base_url.as_ref())
            .arg("options", self.options.clone())
            .arg("keep_alive", self.keep_alive.as_ref())
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_model(&self.model, self.dimensions)?;
        check_texts(&[("base_url", &self.base_url), ("keep_alive", &self.keep_alive)])?;
        check_json("options", self.options.as_ref())
    }
}

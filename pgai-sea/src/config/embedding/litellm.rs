//! The providers that LiteLLM reaches: `ai.embedding_litellm`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Embedding, Tag, check_json, check_model, check_texts, without_user};
use crate::config::{ConfigError, Other};
use crate::sql::Call;

impl Embedding {
    /// A provider that LiteLLM reaches. The model's name starts with the provider's: `cohere/embed-english-v3.0`.
    ///
    /// ```
    /// use pgai_sea::config::Embedding;
    ///
    /// assert_eq!(
    ///     Embedding::litellm("cohere/embed-english-v3.0", 1024).api_key_name("COHERE_API_KEY").to_sql(),
    ///     "ai.embedding_litellm(model => 'cohere/embed-english-v3.0', dimensions => 1024, \
    ///      api_key_name => 'COHERE_API_KEY')"
    /// );
    /// ```
    #[must_use]
    pub fn litellm(model: impl Into<String>, dimensions: i32) -> EmbeddingLiteLlm {
        EmbeddingLiteLlm {
            config_type: Tag::Tag,
            model: model.into(),
            dimensions,
            api_key_name: None,
            extra_options: None,
            other: Other::new(),
        }
    }
}

/// A provider that LiteLLM reaches. See [`Embedding::litellm`].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EmbeddingLiteLlm {
    #[serde(default)]
    config_type: Tag,
    /// The provider's name, a slash, the model's name: `cohere/embed-english-v3.0`.
    pub model: String,
    /// The length of the vectors.
    pub dimensions: i32,
    /// The name of the environment variable or secret that holds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_name: Option<String>,
    /// Further options of the provider: `{"api_base": ".."}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_options: Option<serde_json::Value>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl fmt::Debug for EmbeddingLiteLlm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut extra_options = self.extra_options.clone();
        for name in ["api_base", "base_url"] {
            if let Some(serde_json::Value::String(url)) =
                extra_options.as_mut().and_then(|options| options.get_mut(name))
            {
                *url = without_user(url);
            }
        }
        f.debug_struct("EmbeddingLiteLlm")
            .field("model", &self.model)
            .field("dimensions", &self.dimensions)
            .field("api_key_name", &self.api_key_name)
            .field("extra_options", &extra_options)
            .field("other", &self.other)
            .finish_non_exhaustive()
    }
}

impl EmbeddingLiteLlm {
    /// The *name* of the environment variable or secret that holds the key.
    #[must_use]
    pub fn api_key_name(mut self, api_key_name: impl Into<String>) -> Self {
        self.api_key_name = Some(api_key_name.into());
        self
    }

    /// Further options of the provider: `{"api_base": ".."}`. The catalog drops keys that are null.
    #[must_use]
    pub fn extra_options(mut self, extra_options: serde_json::Value) -> Self {
        self.extra_options = Some(extra_options);
        self
    }

    pub(crate) fn call(&self) -> Call {
        Call::new("embedding_litellm")
            .arg("model", Some(&self.model))
            .arg("dimensions", Some(self.dimensions))
            .arg("api_key_name", self.api_key_name.as_ref())
            .arg("extra_options", self.extra_options.clone())
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_model(&self.model, self.dimensions)?;
        check_texts(&[("api_key_name", &self.api_key_name)])?;
        check_json("extra_options", self.extra_options.as_ref())
    }
}

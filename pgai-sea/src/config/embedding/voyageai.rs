//! Voyage AI: `ai.embedding_voyageai`.

use serde::{Deserialize, Serialize};

use super::{Embedding, Tag, check_model, check_texts};
use crate::config::{ConfigError, Other};
use crate::sql::Call;

impl Embedding {
    /// Voyage AI.
    ///
    /// ```
    /// use pgai_sea::config::Embedding;
    ///
    /// assert_eq!(
    ///     Embedding::voyageai("voyage-3-lite", 512).to_sql(),
    ///     "ai.embedding_voyageai(model => 'voyage-3-lite', dimensions => 512)"
    /// );
    /// ```
    #[must_use]
    pub fn voyageai(model: impl Into<String>, dimensions: i32) -> EmbeddingVoyageAi {
        EmbeddingVoyageAi {
            config_type: Tag::Tag,
            model: model.into(),
            dimensions,
            input_type: None,
            api_key_name: None,
            other: Other::new(),
        }
    }
}

/// Voyage AI. See [`Embedding::voyageai`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EmbeddingVoyageAi {
    #[serde(default)]
    config_type: Tag,
    /// The model's name.
    pub model: String,
    /// The length of the vectors.
    pub dimensions: i32,
    /// `document` or `query`. By default `document`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_type: Option<String>,
    /// The name of the environment variable or secret that holds the key. By default `VOYAGE_API_KEY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_name: Option<String>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl EmbeddingVoyageAi {
    /// What chunks are embedded as: `document`, the default, or `query`.
    #[must_use]
    pub fn input_type(mut self, input_type: impl Into<String>) -> Self {
        self.input_type = Some(input_type.into());
        self
    }

    /// The *name* of the environment variable or secret that holds the key. By default `VOYAGE_API_KEY`.
    #[must_use]
    pub fn api_key_name(mut self, api_key_name: impl Into<String>) -> Self {
        self.api_key_name = Some(api_key_name.into());
        self
    }

    pub(crate) fn call(&self) -> Call {
        Call::new("embedding_voyageai")
            .arg("model", Some(&self.model))
            .arg("dimensions", Some(self.dimensions))
            .arg("input_type", self.input_type.as_ref())
            .arg("api_key_name", self.api_key_name.as_ref())
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_model(&self.model, self.dimensions)?;
        check_texts(&[("api_key_name", &self.api_key_name)])?;
        match self.input_type.as_deref() {
            None | Some("document" | "query") => Ok(()),
            Some(other) => Err(ConfigError::new(
                "input_type",
                format!("{other:?} is neither document nor query"),
            )),
        }
    }
}

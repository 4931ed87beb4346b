//! OpenAI: `ai.embedding_openai`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Embedding, ShownUrl, Tag, check_model, check_texts};
use crate::config::{ConfigError, Other};
use crate::sql::Call;

impl Embedding {
    /// OpenAI, or with `base_url` a server that offers its API. `dimensions` is the length of the vectors.
    ///
    /// ```
    /// use pgai_sea::config::Embedding;
    ///
    /// assert_eq!(
    ///     Embedding::openai("text-embedding-3-small", 768).to_sql(),
    ///     "ai.embedding_openai(model => 'text-embedding-3-small', dimensions => 768)"
    /// );
    /// assert_eq!(
    ///     Embedding::openai("m", 768).api_key_name("TEAM_KEY").base_url("http://localhost:8000/v1").to_sql(),
    ///     "ai.embedding_openai(model => 'm', dimensions => 768, api_key_name => 'TEAM_KEY', \
    ///      base_url => 'http://localhost:8000/v1')"
    /// );
    /// ```
    #[must_use]
    pub fn openai(model: impl Into<String>, dimensions: i32) -> EmbeddingOpenAi {
        EmbeddingOpenAi {
            config_type: Tag::Tag,
            model: model.into(),
            dimensions,
            chat_user: None,
            api_key_name: None,
            base_url: None,
            other: Other::new(),
        }
    }
}

/// OpenAI. See [`Embedding::openai`].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EmbeddingOpenAi {
    #[serde(default)]
    config_type: Tag,
    /// The model's name.
    pub model: String,
    /// The length of the vectors.
    pub dimensions: i32,
    /// An end user's name for OpenAI's abuse reports. Stored as `user`.
    #[serde(default, rename = "user", skip_serializing_if = "Option::is_none")]
    pub chat_user: Option<String>,
    /// The *name* of the environment variable or secret that holds the key. By default `OPENAI_API_KEY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_name: Option<String>,
    /// The address of another server, with the API's version: `http://localhost:8000/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl fmt::Debug for EmbeddingOpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddingOpenAi")
            .field("model", &self.model)
            .field("dimensions", &self.dimensions)
            .field("chat_user", &self.chat_user)
            .field("api_key_name", &self.api_key_name)
            .field("base_url", &ShownUrl(self.base_url.as_deref()))
            .field("other", &self.other)
            .finish_non_exhaustive()
    }
}

impl EmbeddingOpenAi {
    /// An end user's name for OpenAI's abuse reports.
    #[must_use]
    pub fn chat_user(mut self, chat_user: impl Into<String>) -> Self {
        self.chat_user = Some(chat_user.into());
        self
    }

    /// The *name* of the environment variable or secret that holds the key. By default `OPENAI_API_KEY`.
    #[must_use]
    pub fn api_key_name(mut self, api_key_name: impl Into<String>) -> Self {
        self.api_key_name = Some(api_key_name.into());
        self
    }

    /// The address of another server, with the API's version: `http://localhost:8000/v1`.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = Some(base_url.into());
        self
    }

    pub(crate) fn call(&self) -> Call {
        Call::new("embedding_openai")
            .arg("model", Some(&self.model))
            .arg("dimensions", Some(self.dimensions))
            .arg("chat_user", self.chat_user.as_ref())
            .arg("api_key_name", self.api_key_name.as_ref())
            .arg("base_url", self.base_url.as_ref())
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_model(&self.model, self.dimensions)?;
        check_texts(&[
            ("chat_user", &self.chat_user),
            ("api_key_name", &self.api_key_name),
            ("base_url", &self.base_url),
        ])
    }
}

//! The provider and model: `ai.embedding_openai` and its siblings.

use serde::{Deserialize, Serialize};

use super::{ConfigError, Other, area, check_range, check_text};
use crate::sql::Call;

area! {
    /// The provider and model that embed.
    Embedding, Tag = "embedding" {
        /// OpenAI, and whatever speaks its API.
        OpenAi(OpenAi) = "openai",
        /// Ollama.
        Ollama(Ollama) = "ollama",
        /// Voyage AI.
        VoyageAi(VoyageAi) = "voyageai",
        /// What LiteLLM reaches: Cohere, Mistral, Azure, Hugging Face and others.
        LiteLlm(LiteLlm) = "litellm",
    }
}

impl Embedding {
    /// OpenAI, and whatever speaks its API (`base_url`). `dimensions` is the length of the vectors.
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
    pub fn openai(model: impl Into<String>, dimensions: i32) -> OpenAi {
        OpenAi {
            config_type: Tag::Tag,
            model: model.into(),
            dimensions,
            chat_user: None,
            api_key_name: None,
            base_url: None,
            other: Other::new(),
        }
    }

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
    pub fn ollama(model: impl Into<String>, dimensions: i32) -> Ollama {
        Ollama {
            config_type: Tag::Tag,
            model: model.into(),
            dimensions,
            base_url: None,
            options: None,
            keep_alive: None,
            other: Other::new(),
        }
    }

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
    pub fn voyageai(model: impl Into<String>, dimensions: i32) -> VoyageAi {
        VoyageAi {
            config_type: Tag::Tag,
            model: model.into(),
            dimensions,
            input_type: None,
            api_key_name: None,
            other: Other::new(),
        }
    }

    /// What LiteLLM reaches; the model's name starts with the provider's: `cohere/embed-english-v3.0`.
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
    pub fn litellm(model: impl Into<String>, dimensions: i32) -> LiteLlm {
        LiteLlm {
            config_type: Tag::Tag,
            model: model.into(),
            dimensions,
            api_key_name: None,
            extra_options: None,
            other: Other::new(),
        }
    }

    /// The provider, as pgai calls it: `openai`.
    #[must_use]
    pub fn provider(&self) -> &str {
        match self {
            Self::OpenAi(_) => "openai",
            Self::Ollama(_) => "ollama",
            Self::VoyageAi(_) => "voyageai",
            Self::LiteLlm(_) => "litellm",
            Self::Other(value) => value.get("implementation").and_then(|v| v.as_str()).unwrap_or_default(),
        }
    }

    /// The name of the secret that the provider is asked with, if one is configured: an environment variable's where the worker
    /// runs, or one that `ai.reveal_secret` knows.
    #[must_use]
    pub fn secret_name(&self) -> Option<&str> {
        match self {
            Self::OpenAi(OpenAi { api_key_name, .. })
            | Self::VoyageAi(VoyageAi { api_key_name, .. })
            | Self::LiteLlm(LiteLlm { api_key_name, .. }) => api_key_name.as_deref(),
            Self::Ollama(_) | Self::Other(_) => None,
        }
    }

    /// The model's name.
    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            Self::OpenAi(OpenAi { model, .. })
            | Self::Ollama(Ollama { model, .. })
            | Self::VoyageAi(VoyageAi { model, .. })
            | Self::LiteLlm(LiteLlm { model, .. }) => model,
            Self::Other(value) => value.get("model").and_then(|v| v.as_str()).unwrap_or_default(),
        }
    }

    /// The length of the vectors; 0 where an unknown provider's configuration does not say.
    #[must_use]
    pub fn dimensions(&self) -> i32 {
        match self {
            Self::OpenAi(OpenAi { dimensions, .. })
            | Self::Ollama(Ollama { dimensions, .. })
            | Self::VoyageAi(VoyageAi { dimensions, .. })
            | Self::LiteLlm(LiteLlm { dimensions, .. }) => *dimensions,
            Self::Other(value) => value
                .get("dimensions")
                .and_then(serde_json::Value::as_i64)
                .and_then(|d| d.try_into().ok())
                .unwrap_or(0),
        }
    }
}

/// pgvector's `vector(n)` takes 1 to 16,000.
fn check_model(model: &str, dimensions: i32) -> Result<(), ConfigError> {
    check_text("model", model)?;
    if model.is_empty() {
        return Err(ConfigError::new("model", "is empty"));
    }
    check_range("dimensions", Some(dimensions), 1..=16_000)
}

fn check_texts(texts: &[(&str, &Option<String>)]) -> Result<(), ConfigError> {
    texts
        .iter()
        .try_for_each(|(setter, text)| text.as_ref().map_or(Ok(()), |text| check_text(setter, text)))
}

/// OpenAI. See [`Embedding::openai`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OpenAi {
    #[serde(default)]
    config_type: Tag,
    /// The model's name.
    pub model: String,
    /// The length of the vectors.
    pub dimensions: i32,
    /// An end user's name for OpenAI's abuse reports. Stored as `user`.
    #[serde(default, rename = "user", skip_serializing_if = "Option::is_none")]
    pub chat_user: Option<String>,
    /// The name of the environment variable or secret that holds the key, not the key; by default `OPENAI_API_KEY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_name: Option<String>,
    /// Another address than OpenAI's, with its version: `http://localhost:8000/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// What else is stored.
    #[serde(flatten)]
    pub other: Other,
}

impl OpenAi {
    /// An end user's name for OpenAI's abuse reports.
    #[must_use]
    pub fn chat_user(mut self, chat_user: impl Into<String>) -> Self {
        self.chat_user = Some(chat_user.into());
        self
    }

    /// The *name* of the environment variable or secret that holds the key; by default `OPENAI_API_KEY`.
    #[must_use]
    pub fn api_key_name(mut self, api_key_name: impl Into<String>) -> Self {
        self.api_key_name = Some(api_key_name.into());
        self
    }

    /// Another address than OpenAI's, with its version: `http://localhost:8000/v1`.
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

/// Ollama. See [`Embedding::ollama`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ollama {
    #[serde(default)]
    config_type: Tag,
    /// The model's name.
    pub model: String,
    /// The length of the vectors.
    pub dimensions: i32,
    /// Where Ollama listens; by default the worker's `OLLAMA_HOST`, else `http://localhost:11434`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The model's own parameters, as Ollama takes them: `{"num_ctx": 2048}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<serde_json::Value>,
    /// How long Ollama keeps the model loaded: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<String>,
    /// What else is stored.
    #[serde(flatten)]
    pub other: Other,
}

impl Ollama {
    /// Where Ollama listens; by default the worker's `OLLAMA_HOST`, else `http://localhost:11434`.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = Some(base_url.into());
        self
    }

    /// The model's own parameters, as Ollama takes them: `{"num_ctx": 2048}`. The catalog keeps no key that is null.
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

/// Voyage AI. See [`Embedding::voyageai`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VoyageAi {
    #[serde(default)]
    config_type: Tag,
    /// The model's name.
    pub model: String,
    /// The length of the vectors.
    pub dimensions: i32,
    /// `document` or `query`; by default `document`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_type: Option<String>,
    /// The name of the environment variable or secret that holds the key; by default `VOYAGE_API_KEY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_name: Option<String>,
    /// What else is stored.
    #[serde(flatten)]
    pub other: Other,
}

impl VoyageAi {
    /// What chunks are embedded as: `document`, the default, or `query`.
    #[must_use]
    pub fn input_type(mut self, input_type: impl Into<String>) -> Self {
        self.input_type = Some(input_type.into());
        self
    }

    /// The *name* of the environment variable or secret that holds the key; by default `VOYAGE_API_KEY`.
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

/// What LiteLLM reaches. See [`Embedding::litellm`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LiteLlm {
    #[serde(default)]
    config_type: Tag,
    /// The model's name, after its provider's: `cohere/embed-english-v3.0`.
    pub model: String,
    /// The length of the vectors.
    pub dimensions: i32,
    /// The name of the environment variable or secret that holds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_name: Option<String>,
    /// What else the provider takes: `{"api_base": ".."}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_options: Option<serde_json::Value>,
    /// What else is stored.
    #[serde(flatten)]
    pub other: Other,
}

impl LiteLlm {
    /// The *name* of the environment variable or secret that holds the key.
    #[must_use]
    pub fn api_key_name(mut self, api_key_name: impl Into<String>) -> Self {
        self.api_key_name = Some(api_key_name.into());
        self
    }

    /// What else the provider takes: `{"api_base": ".."}`. The catalog keeps no key that is null.
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

/// jsonb has no NUL either, and the catalogs leave out what is null, however deep: it would not be read back.
fn check_json(setter: &str, json: Option<&serde_json::Value>) -> Result<(), ConfigError> {
    match json {
        None => Ok(()),
        Some(serde_json::Value::Null) => Err(ConfigError::new(setter, "is null; leave it out")),
        Some(json) => check_value(setter, json),
    }
}

fn check_value(setter: &str, json: &serde_json::Value) -> Result<(), ConfigError> {
    match json {
        serde_json::Value::String(text) => check_text(setter, text),
        serde_json::Value::Array(values) => values.iter().try_for_each(|value| check_value(setter, value)),
        serde_json::Value::Object(object) => object.iter().try_for_each(|(key, value)| {
            check_text(setter, key)?;
            if value.is_null() {
                let problem = format!("{key:?} is null, which the catalog does not keep; leave it out");
                return Err(ConfigError::new(setter, problem));
            }
            check_value(setter, value)
        }),
        _ => Ok(()),
    }
}

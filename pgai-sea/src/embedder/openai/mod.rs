//! OpenAI, and the many servers that offer its API.

mod api;
#[cfg(feature = "worker")]
mod batches;
mod packed;
pub(crate) mod tokens;

pub(crate) use self::api::OpenAiApi;
#[cfg(feature = "worker")]
pub(crate) use self::batches::{Answered, Batch, Batches, is_limit};

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;

use self::packed::Packing;
use super::http::{BaseUrl, Endpoint, Fields, Secret};
use super::{EmbedError, Embedder, Embeddings, InputType, RequestLimits, ServerAddress, environment};

const PROVIDER: &str = "openai";
const PUBLIC: &str = "https://api.openai.com/v1";
/// This model has one length of vector and refuses `dimensions`.
const ADA: &str = "text-embedding-ada-002";
const ADA_DIMENSIONS: usize = 1536;

/// Embeds with OpenAI, or with a server that offers the same `POST {base_url}/embeddings`.
///
/// ```
/// use pgai_sea::embedder::OpenAi;
///
/// let embedder = OpenAi::new("text-embedding-3-small", 768).api_key("sk-..");
/// assert!(!format!("{embedder:?}").contains("sk-")); // keys are never shown
/// ```
///
/// Texts for OpenAI's own three models are truncated to the 8,191 tokens that they read, as in pgai's worker.
/// `text-embedding-ada-002` always has 1,536 dimensions, so the request does not say how many.
///
/// Requests ask for `encoding_format: base64`, as OpenAI's own clients do: a third of the bytes. If a server refuses
/// this, the request is repeated without it, and all later ones ask for JSON numbers.
#[derive(Clone, Debug)]
pub struct OpenAi {
    api: OpenAiApi,
    packing: Packing,
}

impl OpenAi {
    /// Vectors of `dimensions` numbers from `model`, at OpenAI's public address.
    #[must_use]
    pub fn new(model: impl Into<String>, dimensions: usize) -> Self {
        let api = Endpoint::new(PROVIDER, PUBLIC, Duration::from_mins(2));
        Self {
            api: OpenAiApi::new(api, model, dimensions),
            packing: Packing::default(),
        }
    }

    /// [`new`](Self::new) with the API key in `OPENAI_API_KEY` and the address in `OPENAI_BASE_URL`, if they are set.
    #[must_use]
    pub fn from_env(model: impl Into<String>, dimensions: usize) -> Self {
        let mut openai = Self::new(model, dimensions);
        openai = match environment("OPENAI_API_KEY") {
            Some(key) => openai.api_key(key),
            None => openai.missing_key("OPENAI_API_KEY"),
        };
        if let Some(url) = environment("OPENAI_BASE_URL") {
            openai = openai.base_url(url);
        }
        openai
    }

    /// Remembers the variable that held no key, for the error if the server wants one.
    pub(super) fn missing_key(mut self, name: &str) -> Self {
        self.api.api.key_name = Some(name.to_owned());
        self
    }

    /// The key, sent as `Authorization: Bearer`. Without a key the header is left out, as local servers expect it.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api.api.api_key = Some(Secret::new(key));
        self
    }

    /// The address of another server, without `/embeddings`: `http://localhost:8080/v1`.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.api.api.base_url = BaseUrl::new(url);
        self.packing = Packing::default();
        self
    }

    /// The end user's name for OpenAI's abuse reports: its argument `user`, pgai's `chat_user`.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.api.fields.set("user", user.into());
        self
    }

    /// How long one request may take. By default two minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.api.api.timeout = timeout;
        self
    }

    /// Embeds with a request for packed vectors.
    async fn packed(&self, input: &[Cow<'_, str>], fields: &Fields) -> Result<Embeddings, EmbedError> {
        let mut fields = fields.clone();
        fields.set("encoding_format", "base64");
        let embeddings = self.api.embed(input, &fields).await?;
        self.packing.learn(true);
        Ok(embeddings)
    }

    /// The interface for batches of the same server.
    #[cfg(feature = "worker")]
    pub(crate) fn batches(&self) -> Batches {
        Batches::new(self.api.api.clone(), self.api.dimensions)
    }

    /// A line of a batch's file: the request that embeds `text`. Its answer will have the same `id`.
    #[cfg(feature = "worker")]
    pub(crate) fn batch_line(&self, id: &str, text: &str) -> Result<String, EmbedError> {
        let mut fields = self.api.fields.clone();
        if let Some(dimensions) = self.dimensions_asked()? {
            fields.set("dimensions", dimensions);
        }
        fields.set("encoding_format", "base64");
        fields.set("model", self.api.model.clone());
        fields.set("input", vec![tokens::truncate(&self.api.model, text).into_owned()]);
        let line = serde_json::json!({"custom_id": id, "method": "POST", "url": batches::ENDPOINT, "body": fields});
        Ok(line.to_string())
    }

    /// The request's `dimensions`, if it has any.
    fn dimensions_asked(&self) -> Result<Option<usize>, EmbedError> {
        match (self.api.model.as_str(), self.api.dimensions) {
            (ADA, ADA_DIMENSIONS) => Ok(None),
            (ADA, other) => Err(self.api.api.configuration(format!(
                "`{ADA}` always has {ADA_DIMENSIONS} dimensions, configured are {other}: declare {ADA_DIMENSIONS}, or \
                 use text-embedding-3-small"
            ))),
            (_, dimensions) => Ok(Some(dimensions)),
        }
    }
}

#[async_trait]
impl Embedder for OpenAi {
    async fn embed(&self, texts: &[&str], _input_type: InputType) -> Result<Embeddings, EmbedError> {
        let mut fields = self.api.fields.clone();
        if let Some(dimensions) = self.dimensions_asked()? {
            fields.set("dimensions", dimensions);
        }
        let input: Vec<Cow<'_, str>> = texts
            .iter()
            .map(|text| tokens::truncate(&self.api.model, text))
            .collect();
        if self.packing.is_asked_for() {
            match self.packed(&input, &fields).await {
                Err(error) if self.packing.may_be_why(&error) => {}
                result => return result,
            }
        }
        let embeddings = self.api.embed(&input, &fields).await?;
        self.packing.learn(false);
        Ok(embeddings)
    }

    /// OpenAI's own limits: 2,048 texts and 300,000 tokens.
    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(2048).tokens(300_000)
    }

    fn count_tokens(&self, text: &str) -> usize {
        tokens::count(&self.api.model, text)
    }

    fn server(&self) -> Option<ServerAddress> {
        self.api.api.server()
    }
}

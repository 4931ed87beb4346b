//! OpenAI's embeddings API, and the many servers that speak it.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;

use super::{
    EmbedError, Embedder, InputType, RequestLimits, environment,
    fields::Fields,
    http::{BaseUrl, Endpoint, Secret},
    openai_api::OpenAiApi,
    packed::Packing,
    tokens,
};

const PROVIDER: &str = "openai";
const PUBLIC: &str = "https://api.openai.com/v1";
/// The only model that has one length of vector and no `dimensions` to ask for another.
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
/// As pgai's worker does it, texts for OpenAI's own three models are cut to the 8,191 tokens that they read, and
/// `text-embedding-ada-002`, which has 1,536 dimensions, is not asked for a number of dimensions. Vectors are asked for with
/// `encoding_format: base64`, as OpenAI's own clients do, which is a third of the bytes; a server that refuses this is asked again
/// without, and from then on for JSON numbers.
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

    /// The same with the API key of `OPENAI_API_KEY` and the address of `OPENAI_BASE_URL`, where they are set.
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

    /// Remembers where a key could have come from, for the error if the server wants one.
    pub(super) fn missing_key(mut self, name: &str) -> Self {
        self.api.api.key_name = Some(name.to_owned());
        self
    }

    /// The key that is sent as `Authorization: Bearer`. Without one the header is left out, as local servers like it.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api.api.api_key = Some(Secret::new(key));
        self
    }

    /// Another server's address, up to and without `/embeddings`: `http://localhost:8080/v1`.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.api.api.base_url = BaseUrl::new(url);
        self.packing = Packing::default();
        self
    }

    /// Whom OpenAI should hold responsible for what is sent (its argument `user`, pgai's `chat_user`).
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.api.fields.set("user", user.into());
        self
    }

    /// How long one request may take; two minutes if not set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.api.api.timeout = timeout;
        self
    }

    /// The vectors, of which packed ones are asked for.
    async fn packed(&self, input: &[Cow<'_, str>], fields: &Fields) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut fields = fields.clone();
        fields.set("encoding_format", "base64");
        let vectors = self.api.embed(input, &fields).await?;
        self.packing.learn(true);
        Ok(vectors)
    }

    /// What to ask for in `dimensions`.
    fn dimensions_asked(&self) -> Result<Option<usize>, EmbedError> {
        match (self.api.model.as_str(), self.api.dimensions) {
            (ADA, ADA_DIMENSIONS) => Ok(None),
            (ADA, other) => Err(self.api.api.configuration(format!(
                "`{ADA}` always has {ADA_DIMENSIONS} dimensions, configured are {other}: declare {ADA_DIMENSIONS}, or use \
                 text-embedding-3-small"
            ))),
            (_, dimensions) => Ok(Some(dimensions)),
        }
    }
}

#[async_trait]
impl Embedder for OpenAi {
    async fn embed(&self, texts: &[String], _input_type: InputType) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut fields = self.api.fields.clone();
        if let Some(dimensions) = self.dimensions_asked()? {
            fields.set("dimensions", dimensions);
        }
        let input: Vec<Cow<'_, str>> = texts.iter().map(|text| tokens::cut(&self.api.model, text)).collect();
        if self.packing.is_asked_for() {
            match self.packed(&input, &fields).await {
                Err(error) if self.packing.may_be_why(&error) => {}
                answer => return answer,
            }
        }
        let numbers = self.api.embed(&input, &fields).await?;
        self.packing.learn(false);
        Ok(numbers)
    }

    /// 2,048 texts and 300,000 tokens: OpenAI's own limits.
    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(2048).tokens(300_000)
    }

    fn count_tokens(&self, text: &str) -> usize {
        tokens::count(&self.api.model, text)
    }
}

//! Voyage AI's embeddings API.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    EmbedError, Embedder, InputType, RequestLimits, environment,
    fields::Fields,
    http::{BaseUrl, Endpoint, Secret},
    openai_api::OpenAiApi,
    tokens,
};

const PROVIDER: &str = "voyageai";
const PUBLIC: &str = "https://api.voyageai.com/v1";
/// Where the key is, if nothing else is said.
pub(super) const KEY: &str = "VOYAGE_API_KEY";

/// Models whose vectors can be had in several lengths.
const FLEXIBLE: [&str; 4] = ["voyage-4", "voyage-3.5", "voyage-3-large", "voyage-code-3"];

/// Embeds with Voyage AI: `POST https://api.voyageai.com/v1/embeddings`.
///
/// ```
/// use pgai_sea::embedder::VoyageAi;
///
/// let embedder = VoyageAi::new("voyage-3.5-lite", 512).api_key("pa-..");
/// assert!(!format!("{embedder:?}").contains("pa-")); // keys are never shown
/// ```
///
/// Chunks are embedded as documents and the texts of searches as queries. Models that offer vectors of several lengths are asked
/// for the vectorizer's.
#[derive(Clone, Debug)]
pub struct VoyageAi {
    api: OpenAiApi,
    input_type: String,
}

impl VoyageAi {
    /// Vectors of `dimensions` numbers from `model`.
    #[must_use]
    pub fn new(model: impl Into<String>, dimensions: usize) -> Self {
        let model = model.into();
        let mut fields = Fields::default();
        if FLEXIBLE.iter().any(|known| model.starts_with(known)) {
            fields.set("output_dimension", dimensions);
        }
        let api = Endpoint::new(PROVIDER, PUBLIC, Duration::from_mins(2));
        let mut api = OpenAiApi::new(api, model, dimensions);
        api.fields = fields;
        Self {
            api,
            input_type: "document".to_owned(),
        }
    }

    /// The same with the API key of `VOYAGE_API_KEY`, where it is set.
    #[must_use]
    pub fn from_env(model: impl Into<String>, dimensions: usize) -> Self {
        let voyage = Self::new(model, dimensions);
        match environment(KEY) {
            Some(key) => voyage.api_key(key),
            None => voyage.missing_key(KEY),
        }
    }

    /// Remembers where a key could have come from, for the error if the server wants one.
    pub(super) fn missing_key(mut self, name: &str) -> Self {
        self.api.api.key_name = Some(name.to_owned());
        self
    }

    /// The key that is sent as `Authorization: Bearer`.
    #[must_use]
    pub fn api_key(self, key: impl Into<String>) -> Self {
        self.secret(Secret::new(key))
    }

    pub(super) fn secret(mut self, key: Secret) -> Self {
        self.api.api.api_key = Some(key);
        self
    }

    /// Another server's address, up to and without `/embeddings`.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.api.api.base_url = BaseUrl::new(url);
        self
    }

    /// What chunks are embedded as instead of `document`. The texts of searches are queries whatever is said here.
    #[must_use]
    pub fn input_type(mut self, input_type: impl Into<String>) -> Self {
        self.input_type = input_type.into();
        self
    }

    /// How long one request may take; two minutes if not set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.api.api.timeout = timeout;
        self
    }

    /// A further field of each request.
    pub(super) fn field(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.api.fields.set(name, value);
        self
    }
}

/// The most tokens of a request, as Voyage documents it; models that are not known get the least.
fn tokens_a_request(model: &str) -> usize {
    match model {
        "voyage-4-lite" | "voyage-3.5-lite" | "voyage-3-lite" => 1_000_000,
        "voyage-4" | "voyage-3.5" | "voyage-3" | "voyage-2" => 320_000,
        _ => 120_000,
    }
}

#[async_trait]
impl Embedder for VoyageAi {
    async fn embed(&self, texts: &[String], input_type: InputType) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut fields = self.api.fields.clone();
        fields.set(
            "input_type",
            match input_type {
                InputType::Document => self.input_type.as_str(),
                InputType::Query => "query",
            },
        );
        self.api.embed(texts, &fields).await
    }

    /// 1,000 texts, and as many tokens as Voyage allows the model.
    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(1_000).tokens(tokens_a_request(&self.api.model))
    }

    fn count_tokens(&self, text: &str) -> usize {
        tokens::at_most(text)
    }
}

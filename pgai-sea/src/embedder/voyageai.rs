//! Voyage AI.

use std::time::Duration;

use async_trait::async_trait;

use super::http::{BaseUrl, Endpoint, Fields, Secret};
use super::openai::{OpenAiApi, tokens};
use super::{EmbedError, Embedder, Embeddings, InputType, RequestLimits, ServerAddress, environment};

const PROVIDER: &str = "voyageai";
const PUBLIC: &str = "https://api.voyageai.com/v1";
/// The variable that holds the key by default.
pub(super) const KEY: &str = "VOYAGE_API_KEY";

/// Models that offer vectors of several lengths.
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
/// Chunks are embedded as documents, and the texts of searches as queries. If the model offers vectors of several
/// lengths, the request names the configured one.
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

    /// [`new`](Self::new) with the API key in `VOYAGE_API_KEY`, if it is set.
    #[must_use]
    pub fn from_env(model: impl Into<String>, dimensions: usize) -> Self {
        let voyage = Self::new(model, dimensions);
        match environment(KEY) {
            Some(key) => voyage.api_key(key),
            None => voyage.missing_key(KEY),
        }
    }

    /// Remembers the variable that held no key, for the error if the server wants one.
    pub(super) fn missing_key(mut self, name: &str) -> Self {
        self.api.api.key_name = Some(name.to_owned());
        self
    }

    /// The key, sent as `Authorization: Bearer`.
    #[must_use]
    pub fn api_key(self, key: impl Into<String>) -> Self {
        self.secret(Secret::new(key))
    }

    pub(super) fn secret(mut self, key: Secret) -> Self {
        self.api.api.api_key = Some(key);
        self
    }

    /// The address of another server, without `/embeddings`.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.api.api.base_url = BaseUrl::new(url);
        self
    }

    /// What chunks are embedded as, by default `document`. The texts of searches are always embedded as queries.
    #[must_use]
    pub fn input_type(mut self, input_type: impl Into<String>) -> Self {
        self.input_type = input_type.into();
        self
    }

    /// How long one request may take. By default two minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.api.api.timeout = timeout;
        self
    }

    /// Sets a further field of each request.
    pub(super) fn field(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.api.fields.set(name, value);
        self
    }
}

/// The most tokens of a request, as Voyage AI documents them. Unknown models get the lowest limit.
fn tokens_a_request(model: &str) -> usize {
    match model {
        "voyage-4-lite" | "voyage-3.5-lite" | "voyage-3-lite" => 1_000_000,
        "voyage-4" | "voyage-3.5" | "voyage-3" | "voyage-2" => 320_000,
        _ => 120_000,
    }
}

#[async_trait]
impl Embedder for VoyageAi {
    async fn embed(&self, texts: &[&str], input_type: InputType) -> Result<Embeddings, EmbedError> {
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

    /// 1,000 texts, and as many tokens as Voyage AI allows for the model.
    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(1_000).tokens(tokens_a_request(&self.api.model))
    }

    fn count_tokens(&self, text: &str) -> usize {
        tokens::at_most(text)
    }

    fn server(&self) -> Option<ServerAddress> {
        self.api.api.server()
    }
}

//! The providers that LiteLLM reaches: its proxy, and those that a model's prefix names.

mod cohere;
mod compatible;
mod huggingface;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use self::cohere::Cohere;
use self::compatible::Compatible;
use self::huggingface::HuggingFace;
use super::http::{Endpoint, Fields, Secret, without_end};
use super::openai::OpenAiApi;
use super::voyageai;
use super::{EmbedError, Embedder, Ollama, VoyageAi};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Settings of LiteLLM's own client. They are not sent to a server.
const NOT_SENT: [&str; 9] = [
    "additional_drop_params",
    "caching",
    "custom_llm_provider",
    "drop_params",
    "encoding_format",
    "max_retries",
    "metadata",
    "model",
    "num_retries",
];

/// Embeds with a model that is named as LiteLLM names it: the provider, a slash, and the provider's name of the model.
///
/// | model | server | variable of the key, by default | texts and tokens a request |
/// |---|---|---|---|
/// | `openai/..` | OpenAI, or `api_base`, else `OPENAI_BASE_URL` | `OPENAI_API_KEY` | 2,048 and 300,000 |
/// | `azure/<deployment>` | `api_base`, else `AZURE_API_BASE` | `AZURE_API_KEY` | 2,048 and 300,000 |
/// | `cohere/..` | Cohere, or `api_base`, else `COHERE_API_BASE` | `COHERE_API_KEY` | 96 |
/// | `mistral/..` | Mistral, or `api_base`, else `MISTRAL_API_BASE` | `MISTRAL_API_KEY` | 128 and 16,000 |
/// | `huggingface/..` | Hugging Face, or `api_base`, else `HUGGINGFACE_API_BASE` | `HUGGINGFACE_API_KEY` | 32 |
/// | `voyage/..` | Voyage AI, or `api_base` | `VOYAGE_API_KEY` | 1,000 and the model's |
/// | `ollama/..` | Ollama at `api_base`, else `OLLAMA_API_BASE`, `OLLAMA_HOST` | | 2,048 |
/// | `litellm_proxy/..` | LiteLLM's proxy at `api_base`, else `LITELLM_PROXY_API_BASE` | `LITELLM_PROXY_API_KEY` | 96 |
///
/// Azure's API version is `api_version`, else `AZURE_API_VERSION`.
///
/// A model with another prefix, or without one, is requested from `api_base`, else `LITELLM_PROXY_API_BASE`, over
/// OpenAI's API and under its whole name. If `USE_LITELLM_PROXY` is `true`, every model is.
///
/// ```
/// use pgai_sea::embedder::LiteLlm;
///
/// let embedder = LiteLlm::new("cohere/embed-v4.0", 1024).api_key("..").build(|_| None)?;
/// assert_eq!(embedder.limits().inputs, 96);
/// # Ok::<(), pgai_sea::embedder::EmbedError>(())
/// ```
#[derive(Clone)]
pub struct LiteLlm {
    model: String,
    dimensions: usize,
    api_key: Option<Secret>,
    key_name: Option<String>,
    options: Fields,
    timeout: Option<Duration>,
}

impl LiteLlm {
    /// Vectors of `dimensions` numbers from `model`.
    #[must_use]
    pub fn new(model: impl Into<String>, dimensions: usize) -> Self {
        Self {
            model: model.into(),
            dimensions,
            api_key: None,
            key_name: None,
            options: Fields::default(),
            timeout: None,
        }
    }

    /// The provider's key.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(Secret::new(key));
        self
    }

    /// The address of the proxy, or of a server to ask instead of the provider's.
    #[must_use]
    pub fn api_base(self, url: impl Into<String>) -> Self {
        self.option("api_base", url.into())
    }

    /// Sets an option of LiteLLM (`extra_options`): `dimensions`, `input_type`, `api_version`, `timeout` in seconds.
    /// Other options are sent to the provider as fields of the request.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.options.set(name, value);
        self
    }

    /// How long one request may take. By default two minutes, and ten for Ollama.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets several options.
    pub(super) fn options(mut self, options: &Map<String, Value>) -> Self {
        for (name, value) in options {
            self.options.set(name, value.clone());
        }
        self
    }

    /// The variable that holds the key instead of the default one.
    pub(super) fn key_name(mut self, name: &str) -> Self {
        self.key_name = Some(name.to_owned());
        self
    }

    /// Makes the embedder. `variable` returns the values of the variables in the table. Usually it is
    /// [`environment`](super::environment).
    ///
    /// # Errors
    ///
    /// [`EmbedError::Configuration`] if the prefix is unknown and no address is given, if the provider's own address is
    /// asked and its key is missing, if Azure's address is missing, or if an option has the wrong type.
    pub fn build(mut self, variable: impl Fn(&str) -> Option<String>) -> Result<Arc<dyn Embedder>, EmbedError> {
        let variable: &dyn Fn(&str) -> Option<String> = &variable;
        if self.options.take(&["api_key"]).is_some() {
            return Err(refused(
                "extra_options holds an `api_key`, and everyone who reads the catalog can read it: give the name of an \
                 environment variable as api_key_name instead",
            ));
        }
        if let Some(seconds) = self.options.take(&["timeout", "request_timeout"]) {
            let timeout = seconds
                .as_f64()
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            self.timeout = Some(timeout.ok_or_else(|| refused("the option `timeout` is not a number of seconds"))?);
        }
        let api_base = self.text_option(&["api_base", "base_url"])?;
        let named = self.text_option(&["custom_llm_provider"])?;
        for name in NOT_SENT {
            self.options.take(&[name]);
        }
        let every_model = variable("USE_LITELLM_PROXY").is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let (prefix, model) = match (&named, self.model.split_once('/')) {
            _ if every_model && !self.model.starts_with("litellm_proxy/") => ("litellm_proxy", self.model.as_str()),
            (Some(prefix), Some((same, model))) if prefix == same => (prefix.as_str(), model),
            (Some(prefix), _) => (prefix.as_str(), self.model.as_str()),
            (None, Some((prefix, model))) => (prefix, model),
            (None, None) => (prefix_of(&self.model), self.model.as_str()),
        };
        let (prefix, model) = (prefix.to_owned(), model.to_owned());
        let place = Place {
            api_base,
            variable,
            key_name: self.key_name.clone(),
        };
        self.route(&prefix, &model, &place)
    }

    fn route(mut self, prefix: &str, model: &str, place: &Place<'_>) -> Result<Arc<dyn Embedder>, EmbedError> {
        match prefix {
            "openai" => {
                let base = place.base(&["OPENAI_BASE_URL", "OPENAI_API_BASE"]);
                let api = self.endpoint("openai", base, "https://api.openai.com/v1", &["OPENAI_API_KEY"], place)?;
                Ok(Arc::new(Compatible::openai(self.openai_api(api, model))))
            }
            "azure" => {
                let base = place.base(&["AZURE_API_BASE"]).ok_or_else(|| {
                    refused(
                        "azure needs the address of its resource: set api_base in extra_options, or `AZURE_API_BASE`",
                    )
                })?;
                let version = self
                    .text_option(&["api_version"])?
                    .or_else(|| (place.variable)("AZURE_API_VERSION"));
                let api = self.endpoint("azure", Some(base), "", &["AZURE_API_KEY"], place)?;
                Ok(Arc::new(Compatible::azure(
                    self.openai_api(api, model),
                    version.as_deref(),
                )))
            }
            "mistral" => {
                let base = place.base(&["MISTRAL_API_BASE"]);
                let api = self.endpoint(
                    "mistral",
                    base,
                    "https://api.mistral.ai/v1",
                    &["MISTRAL_API_KEY"],
                    place,
                )?;
                Ok(Arc::new(Compatible::mistral(self.openai_api(api, model))))
            }
            "cohere" | "cohere_chat" => {
                let base = place.base(&["COHERE_API_BASE"]);
                let api = self.endpoint("cohere", base, cohere::PUBLIC, &["COHERE_API_KEY", "CO_API_KEY"], place)?;
                Ok(Arc::new(Cohere::new(api, model, self.dimensions, self.options)))
            }
            "huggingface" => {
                let base = place.base(&["HUGGINGFACE_API_BASE", "HF_API_BASE"]);
                let public = huggingface::address(model);
                let keys = &["HUGGINGFACE_API_KEY", "HF_TOKEN"];
                let api = self.endpoint("huggingface", base, &public, keys, place)?;
                Ok(Arc::new(HuggingFace::new(api, model, self.dimensions, self.options)))
            }
            "voyage" | "voyageai" => self.voyage(model, place),
            "ollama" => Ok(Arc::new(self.ollama(model, place))),
            "litellm_proxy" => self.proxy(model, place),
            _ if place.base(&["LITELLM_PROXY_API_BASE"]).is_some() => {
                let model = std::mem::take(&mut self.model);
                self.proxy(&model, place)
            }
            _ => Err(refused(format!(
                "there is no way to `{}` here: begin the model's name with openai/, azure/, cohere/, mistral/, \
                    huggingface/, \
                 voyage/ or ollama/, or ask LiteLLM's proxy with api_base in extra_options or `LITELLM_PROXY_API_BASE`",
                self.model
            ))),
        }
    }

    fn voyage(mut self, model: &str, place: &Place<'_>) -> Result<Arc<dyn Embedder>, EmbedError> {
        let dimensions = self.options.take(&["output_dimension", "dimensions"]);
        let input_type = self.text_option(&["input_type"])?;
        let mut voyage = VoyageAi::new(model, self.dimensions).timeout(self.timeout.unwrap_or(TIMEOUT));
        voyage = match self.key(&[voyageai::KEY], place) {
            Ok(key) => voyage.secret(key),
            Err(name) if place.api_base.is_some() => voyage.missing_key(&name),
            Err(name) => return Err(EmbedError::missing_key("voyageai", &name)),
        };
        if let Some(base) = &place.api_base {
            voyage = voyage.base_url(without_end(base, &["/embeddings"]));
        }
        if let Some(input_type) = input_type {
            voyage = voyage.input_type(input_type);
        }
        if let Some(dimensions) = dimensions {
            voyage = voyage.field("output_dimension", dimensions);
        }
        for (name, value) in self.options.into_pairs() {
            voyage = voyage.field(&name, value);
        }
        Ok(Arc::new(voyage))
    }

    fn ollama(mut self, model: &str, place: &Place<'_>) -> Ollama {
        self.options.take(&["dimensions"]);
        let keep_alive = self.options.take(&["keep_alive"]);
        let mut ollama = Ollama::new(model, self.dimensions).variables(place.variable);
        if let Some(base) = place.base(&["OLLAMA_API_BASE"]) {
            ollama = ollama.base_url(without_end(&base, &["/api/embed", "/api/embeddings"]));
        }
        if let Some(keep_alive) = keep_alive {
            let text = keep_alive
                .as_str()
                .map_or_else(|| keep_alive.to_string(), str::to_owned);
            ollama = ollama.keep_alive(text);
        }
        if let Some(timeout) = self.timeout {
            ollama = ollama.timeout(timeout);
        }
        let options: Map<String, Value> = self.options.into_pairs().collect();
        if !options.is_empty() {
            ollama = ollama.options(options);
        }
        ollama
    }

    fn proxy(self, model: &str, place: &Place<'_>) -> Result<Arc<dyn Embedder>, EmbedError> {
        let base = place.base(&["LITELLM_PROXY_API_BASE"]).ok_or_else(|| {
            refused("LiteLLM's proxy needs an address: set api_base in extra_options, or `LITELLM_PROXY_API_BASE`")
        })?;
        let api = self.endpoint("litellm", Some(base), "", &["LITELLM_PROXY_API_KEY"], place)?;
        Ok(Arc::new(Compatible::proxy(self.openai_api(api, model))))
    }

    /// The provider's interface. The provider's own address needs a key. Other servers may do without.
    fn endpoint(
        &self,
        provider: &'static str,
        base: Option<String>,
        public: &str,
        key_names: &[&str],
        place: &Place<'_>,
    ) -> Result<Endpoint, EmbedError> {
        let is_own = base.is_some();
        let base = base.unwrap_or_else(|| public.to_owned());
        let mut api = Endpoint::new(provider, base, self.timeout.unwrap_or(TIMEOUT));
        match self.key(key_names, place) {
            Ok(key) => api.api_key = Some(key),
            Err(name) if is_own => api.key_name = Some(name),
            Err(name) => return Err(EmbedError::missing_key(provider, &name)),
        }
        Ok(api)
    }

    /// The key, or the name of the variable that should have held it.
    fn key(&self, usual: &[&str], place: &Place<'_>) -> Result<Secret, String> {
        if let Some(key) = &self.api_key {
            return Ok(key.clone());
        }
        let names = match &place.key_name {
            Some(name) => &[name.as_str()][..],
            None => usual,
        };
        let held = names.iter().find_map(|name| (place.variable)(name));
        held.map(Secret::new).ok_or_else(|| names[0].to_owned())
    }

    fn openai_api(self, api: Endpoint, model: &str) -> OpenAiApi {
        let mut openai = OpenAiApi::new(api, model, self.dimensions);
        openai.fields = self.options;
        openai
    }

    fn text_option(&mut self, names: &[&str]) -> Result<Option<String>, EmbedError> {
        match self.options.take(names) {
            None => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(refused(format!("the option `{}` is not a text", names[0]))),
        }
    }
}

impl fmt::Debug for LiteLlm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiteLlm")
            .field("model", &self.model)
            .field("dimensions", &self.dimensions)
            .field("api_key", &self.api_key)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What decides which server is asked, and with which key.
struct Place<'v> {
    api_base: Option<String>,
    variable: &'v dyn Fn(&str) -> Option<String>,
    key_name: Option<String>,
}

impl Place<'_> {
    /// The configured address, or the value of the first variable that is set.
    fn base(&self, variables: &[&str]) -> Option<String> {
        let variable = || variables.iter().find_map(|name| (self.variable)(name));
        self.api_base.clone().or_else(variable)
    }
}

/// The provider of a model without a prefix, if LiteLLM knows its name.
fn prefix_of(model: &str) -> &'static str {
    match model {
        _ if model.starts_with("text-embedding-3-") || model == "text-embedding-ada-002" => "openai",
        _ if model.starts_with("embed-english-") || model.starts_with("embed-multilingual-") => "cohere",
        _ => "",
    }
}

fn refused(message: impl Into<String>) -> EmbedError {
    EmbedError::Configuration {
        provider: "litellm",
        message: message.into(),
    }
}

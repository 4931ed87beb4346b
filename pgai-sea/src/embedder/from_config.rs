//! The embedder that a vectorizer's configuration names.

use std::sync::Arc;

use serde_json::Value;

use super::{EmbedError, Embedder, LiteLlm, Ollama, OpenAi, VoyageAi, voyageai};
use crate::config::{Embedding, EmbeddingLiteLlm, EmbeddingOllama, EmbeddingOpenAi, EmbeddingVoyageAi};
use crate::pgvector::Dimensions;

/// The embedder that a vectorizer's configuration names.
///
/// `variable` returns the value of a name. Pass [`environment`](super::environment), or a function that also looks
/// elsewhere. It is asked for:
///
/// - `api_key_name`: the configuration stores only the name of the key;
/// - `OPENAI_BASE_URL`, `OLLAMA_HOST`, `PGAI_VECTORIZER_OLLAMA_MAX_CHUNKS_PER_BATCH` and the variables of [`LiteLlm`],
///   if the configuration does not say.
///
/// Only the provider's own address requires a key. Your own servers often need none.
///
/// ```
/// use pgai_sea::{config::Embedding, embedder};
///
/// let config = Embedding::openai("text-embedding-3-small", 768).api_key_name("TEAM_KEY").into();
/// let error = embedder::from_config(&config, |_| None).unwrap_err();
/// assert!(error.to_string().contains("TEAM_KEY"));
/// ```
///
/// # Errors
///
/// [`EmbedError::Configuration`] if the API key is missing (it names the variable), if `dimensions` is not between 1
/// and 16,000, or if this crate does not know the provider.
pub fn from_config(
    config: &Embedding,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Arc<dyn Embedder>, EmbedError> {
    match config {
        Embedding::OpenAi(openai) => Ok(Arc::new(self::openai(openai, &variable)?)),
        Embedding::Ollama(ollama) => Ok(Arc::new(self::ollama(ollama, &variable)?)),
        Embedding::VoyageAi(voyage) => Ok(Arc::new(self::voyageai(voyage, &variable)?)),
        Embedding::LiteLlm(litellm) => self::litellm(litellm)?.build(variable),
        Embedding::Local(local) => Err(EmbedError::not_given(&local.model)),
        Embedding::Other(_) => Err(unknown(config.provider())),
    }
}

/// The embedder of a configuration that names OpenAI, which has batches.
#[cfg(feature = "worker")]
pub(crate) fn openai_of(config: &Embedding, variable: &dyn Fn(&str) -> Option<String>) -> Result<OpenAi, EmbedError> {
    match config {
        Embedding::OpenAi(openai) => self::openai(openai, variable),
        other => Err(EmbedError::Configuration {
            provider: "OpenAI's batch interface",
            message: format!(
                "it is for vectorizers with `embedding_openai`, and this one has `{}`: let workers embed it, with \
                 `pgai-sea worker`",
                other.provider()
            ),
        }),
    }
}

fn openai(config: &EmbeddingOpenAi, variable: &dyn Fn(&str) -> Option<String>) -> Result<OpenAi, EmbedError> {
    let mut openai = OpenAi::new(&config.model, dimensions("openai", config.dimensions)?);
    let base_url = config.base_url.clone().or_else(|| variable("OPENAI_BASE_URL"));
    let key_name = config.api_key_name.as_deref().unwrap_or("OPENAI_API_KEY");
    match variable(key_name) {
        Some(key) => openai = openai.api_key(key),
        None if base_url.is_some() => openai = openai.missing_key(key_name),
        None => return Err(EmbedError::missing_key("openai", key_name)),
    }
    if let Some(url) = base_url {
        openai = openai.base_url(url);
    }
    if let Some(user) = &config.chat_user {
        openai = openai.user(user);
    }
    Ok(openai)
}

fn ollama(config: &EmbeddingOllama, variable: &dyn Fn(&str) -> Option<String>) -> Result<Ollama, EmbedError> {
    let mut ollama = Ollama::new(&config.model, dimensions("ollama", config.dimensions)?).variables(variable);
    if let Some(url) = &config.base_url {
        ollama = ollama.base_url(url);
    }
    if let Some(options) = &config.options {
        ollama = ollama.options(options.clone());
    }
    if let Some(keep_alive) = &config.keep_alive {
        ollama = ollama.keep_alive(keep_alive);
    }
    Ok(ollama)
}

fn voyageai(config: &EmbeddingVoyageAi, variable: &dyn Fn(&str) -> Option<String>) -> Result<VoyageAi, EmbedError> {
    let key_name = config.api_key_name.as_deref().unwrap_or(voyageai::KEY);
    let key = variable(key_name).ok_or_else(|| EmbedError::missing_key("voyageai", key_name))?;
    let mut voyage = VoyageAi::new(&config.model, dimensions("voyageai", config.dimensions)?).api_key(key);
    if let Some(input_type) = &config.input_type {
        voyage = voyage.input_type(input_type);
    }
    // arguments that pgai added after its last release
    for name in ["output_dimension", "output_dtype"] {
        if let Some(value) = config.other.get(name) {
            voyage = voyage.field(name, value.clone());
        }
    }
    Ok(voyage)
}

fn litellm(config: &EmbeddingLiteLlm) -> Result<LiteLlm, EmbedError> {
    let mut litellm = LiteLlm::new(&config.model, dimensions("litellm", config.dimensions)?);
    if let Some(name) = &config.api_key_name {
        litellm = litellm.key_name(name);
    }
    match &config.extra_options {
        None | Some(Value::Null) => Ok(litellm),
        Some(Value::Object(options)) => Ok(litellm.options(options)),
        Some(_) => Err(EmbedError::Configuration {
            provider: "litellm",
            message: "extra_options is not an object: make it an object of options by name".to_owned(),
        }),
    }
}

fn dimensions(provider: &'static str, dimensions: i32) -> Result<usize, EmbedError> {
    match Dimensions::try_from(dimensions) {
        Ok(dimensions) => Ok(dimensions.get()),
        Err(error) => Err(EmbedError::Configuration {
            provider,
            message: error.to_string(),
        }),
    }
}

fn unknown(name: &str) -> EmbedError {
    EmbedError::Configuration {
        provider: "the vectorizer's provider",
        message: format!("there is no embedder for `{name}` here: give the worker one with `Worker::embedder`"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn debug(config: impl Into<Embedding>, variables: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        match from_config(&config.into(), variable) {
            Ok(embedder) => format!("{embedder:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_missing_key_is_named_with_its_provider() {
        let error = debug(Embedding::openai("m", 3), &[]);
        assert!(error.starts_with("openai cannot embed: `OPENAI_API_KEY`"), "{error}");
        let error = debug(
            Embedding::openai("m", 3).api_key_name("TEAM_KEY"),
            &[("OPENAI_API_KEY", "k")],
        );
        assert!(error.contains("`TEAM_KEY`"), "{error}");
    }

    #[test]
    fn the_configured_address_goes_before_the_variable_and_the_public_one() {
        let key = ("OPENAI_API_KEY", "sk-hidden");
        let variable = ("OPENAI_BASE_URL", "http://variable/v1");
        let config = Embedding::openai("m", 3);

        let shown = debug(config.clone(), &[key]);
        assert!(shown.contains("https://api.openai.com/v1"), "{shown}");
        assert!(!shown.contains("hidden"), "{shown}");
        let shown = debug(config.clone(), &[key, variable]);
        assert!(shown.contains("http://variable/v1"), "{shown}");
        let shown = debug(config.base_url("http://config/v1"), &[key, variable]);
        assert!(shown.contains("http://config/v1"), "{shown}");
    }

    #[test]
    fn ones_own_server_needs_no_key() {
        let shown = debug(Embedding::openai("m", 3).base_url("http://localhost:8000/v1"), &[]);
        assert!(shown.starts_with("OpenAi"), "{shown}");
    }

    #[test]
    fn ollama_listens_where_the_configuration_or_the_variable_says() {
        let host = ("OLLAMA_HOST", "gpu");
        let config = Embedding::ollama("m", 3);

        assert!(debug(config.clone(), &[]).contains("\"http://localhost:11434\""));
        assert!(debug(config.clone(), &[host]).contains("\"http://gpu:11434\""));
        assert!(debug(config.base_url("other:81"), &[host]).contains("\"http://other:81\""));
    }

    #[test]
    fn what_cannot_be_embedded_says_so() {
        let error = debug(Embedding::Other(json!({"implementation": "cohere"})), &[]);
        assert!(error.contains("no embedder for `cohere`"), "{error}");
        let error = debug(Embedding::local("bge", 384), &[]);
        assert!(error.contains("--local-model bge="), "{error}");
        let error = debug(Embedding::ollama("m", 0), &[]);
        assert!(error.contains("1 to 16000 dimensions, configured are 0"), "{error}");
    }
}

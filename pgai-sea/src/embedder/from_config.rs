//! From what the catalog stores to something that embeds.

use std::{env, sync::Arc};

use serde_json::Value;

use super::{EmbedError, Embedder, LiteLlm, Ollama, OpenAi, VoyageAi, voyage};
use crate::config::{self, Embedding};

/// What the environment variable `name` holds, unless it is not set or empty.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The embedder that a vectorizer's configuration asks for.
///
/// `variable` answers what a name holds: `api_key_name`, of which the configuration stores only the name, and
/// `OPENAI_BASE_URL`, `OLLAMA_HOST`, `PGAI_VECTORIZER_OLLAMA_MAX_CHUNKS_PER_BATCH` and those that [`LiteLlm`] names, which hold where
/// the configuration says nothing. That is [`environment`], or a function that looks somewhere else as well.
///
/// A key is not asked for where the address is not the provider's own: servers on one's own machines often need none.
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
/// [`EmbedError::Configuration`] if the API key is missing (it names the variable), `dimensions` is not positive, or there is no
/// embedder for the provider here.
pub fn from_config(
    config: &Embedding,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Arc<dyn Embedder>, EmbedError> {
    match config {
        Embedding::OpenAi(openai) => Ok(Arc::new(self::openai(openai, &variable)?)),
        Embedding::Ollama(ollama) => Ok(Arc::new(self::ollama(ollama, &variable)?)),
        Embedding::VoyageAi(voyage) => Ok(Arc::new(self::voyageai(voyage, &variable)?)),
        Embedding::LiteLlm(litellm) => self::litellm(litellm)?.build(variable),
        Embedding::Other(_) => Err(unknown(config.provider())),
    }
}

fn openai(config: &config::OpenAi, variable: &dyn Fn(&str) -> Option<String>) -> Result<OpenAi, EmbedError> {
    let mut openai = OpenAi::new(&config.model, dimensions("openai", config.dimensions)?);
    let base_url = config.base_url.clone().or_else(|| variable("OPENAI_BASE_URL"));
    let key_name = config.api_key_name.as_deref().unwrap_or("OPENAI_API_KEY");
    match variable(key_name) {
        Some(key) => openai = openai.api_key(key),
        None if base_url.is_some() => openai = openai.missing_key(key_name),
        None => return Err(missing_key("openai", key_name)),
    }
    if let Some(url) = base_url {
        openai = openai.base_url(url);
    }
    if let Some(user) = &config.chat_user {
        openai = openai.user(user);
    }
    Ok(openai)
}

fn ollama(config: &config::Ollama, variable: &dyn Fn(&str) -> Option<String>) -> Result<Ollama, EmbedError> {
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

fn voyageai(config: &config::VoyageAi, variable: &dyn Fn(&str) -> Option<String>) -> Result<VoyageAi, EmbedError> {
    let key_name = config.api_key_name.as_deref().unwrap_or(voyage::KEY);
    let key = variable(key_name).ok_or_else(|| missing_key("voyageai", key_name))?;
    let mut voyage = VoyageAi::new(&config.model, dimensions("voyageai", config.dimensions)?).api_key(key);
    if let Some(input_type) = &config.input_type {
        voyage = voyage.input_type(input_type);
    }
    // arguments that pgai has learned since its last release
    for name in ["output_dimension", "output_dtype"] {
        if let Some(value) = config.other.get(name) {
            voyage = voyage.field(name, value.clone());
        }
    }
    Ok(voyage)
}

fn litellm(config: &config::LiteLlm) -> Result<LiteLlm, EmbedError> {
    let mut litellm = LiteLlm::new(&config.model, dimensions("litellm", config.dimensions)?);
    if let Some(name) = &config.api_key_name {
        litellm = litellm.key_name(name);
    }
    match &config.extra_options {
        None | Some(Value::Null) => Ok(litellm),
        Some(Value::Object(options)) => Ok(litellm.options(options)),
        Some(_) => Err(EmbedError::Configuration {
            provider: "litellm",
            message: "extra_options is not an object: it has to be one, of options by name".to_owned(),
        }),
    }
}

pub(super) fn missing_key(provider: &'static str, name: &str) -> EmbedError {
    EmbedError::Configuration {
        provider,
        message: format!(
            "`{name}`, which should hold the API key, is not set: set this environment variable where the worker runs, or name \
             another one as the vectorizer's api_key_name"
        ),
    }
}

fn dimensions(provider: &'static str, dimensions: i32) -> Result<usize, EmbedError> {
    match usize::try_from(dimensions) {
        Ok(dimensions) if dimensions > 0 => Ok(dimensions),
        _ => Err(EmbedError::Configuration {
            provider,
            message: format!("vectors of {dimensions} dimensions do not exist: declare a number from 1 up"),
        }),
    }
}

fn unknown(name: &str) -> EmbedError {
    EmbedError::Configuration {
        provider: "the vectorizer's provider",
        message: format!("there is no embedder for `{name}` here: give the worker one of your own for it"),
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
        let error = debug(Embedding::ollama("m", 0), &[]);
        assert!(error.contains("0 dimensions"), "{error}");
    }
}

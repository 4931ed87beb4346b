//! The provider and model: `ai.embedding_openai` and its siblings.

mod litellm;
mod local;
mod ollama;
mod openai;
mod voyageai;

pub use self::litellm::EmbeddingLiteLlm;
pub use self::local::EmbeddingLocal;
pub use self::ollama::EmbeddingOllama;
pub use self::openai::EmbeddingOpenAi;
pub use self::voyageai::EmbeddingVoyageAi;

use super::{ConfigError, area, check_range, check_text};

/// The most dimensions of pgvector's `vector`.
pub(crate) const MAX_DIMENSIONS: i32 = 16_000;

area! {
    /// The provider and model that embed.
    Embedding, Tag = "embedding" {
        /// OpenAI, and servers that offer its API.
        OpenAi(EmbeddingOpenAi) = "openai",
        /// Ollama.
        Ollama(EmbeddingOllama) = "ollama",
        /// Voyage AI.
        VoyageAi(EmbeddingVoyageAi) = "voyageai",
        /// The providers that LiteLLM reaches: Cohere, Mistral, Azure, Hugging Face and others.
        LiteLlm(EmbeddingLiteLlm) = "litellm",
        /// A model in the process that embeds.
        Local(EmbeddingLocal) = "local",
    }
}

impl Embedding {
    /// The provider, as pgai calls it: `openai`.
    #[must_use]
    pub fn provider(&self) -> &str {
        match self {
            Self::OpenAi(_) => "openai",
            Self::Ollama(_) => "ollama",
            Self::VoyageAi(_) => "voyageai",
            Self::LiteLlm(_) => "litellm",
            Self::Local(_) => "local",
            Self::Other(value) => value.get("implementation").and_then(|v| v.as_str()).unwrap_or_default(),
        }
    }

    /// The name of the API key, if one is configured: an environment variable of the worker, or a secret that
    /// `ai.reveal_secret` knows.
    #[must_use]
    pub fn secret_name(&self) -> Option<&str> {
        match self {
            Self::OpenAi(EmbeddingOpenAi { api_key_name, .. })
            | Self::VoyageAi(EmbeddingVoyageAi { api_key_name, .. })
            | Self::LiteLlm(EmbeddingLiteLlm { api_key_name, .. }) => api_key_name.as_deref(),
            Self::Ollama(_) | Self::Local(_) | Self::Other(_) => None,
        }
    }

    /// The model's name.
    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            Self::OpenAi(EmbeddingOpenAi { model, .. })
            | Self::Ollama(EmbeddingOllama { model, .. })
            | Self::VoyageAi(EmbeddingVoyageAi { model, .. })
            | Self::LiteLlm(EmbeddingLiteLlm { model, .. })
            | Self::Local(EmbeddingLocal { model, .. }) => model,
            Self::Other(value) => value.get("model").and_then(|v| v.as_str()).unwrap_or_default(),
        }
    }

    /// The length of the vectors. `None` if the configuration of an unknown provider does not say.
    #[must_use]
    pub fn dimensions(&self) -> Option<i32> {
        match self {
            Self::OpenAi(EmbeddingOpenAi { dimensions, .. })
            | Self::Ollama(EmbeddingOllama { dimensions, .. })
            | Self::VoyageAi(EmbeddingVoyageAi { dimensions, .. })
            | Self::LiteLlm(EmbeddingLiteLlm { dimensions, .. })
            | Self::Local(EmbeddingLocal { dimensions, .. }) => Some(*dimensions),
            Self::Other(value) => value.get("dimensions")?.as_i64()?.try_into().ok(),
        }
    }
}

/// A URL as `Debug` shows it: without user and password.
struct ShownUrl<'u>(Option<&'u str>);

impl std::fmt::Debug for ShownUrl<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map(without_user).fmt(f)
    }
}

fn without_user(url: &str) -> String {
    let (scheme, rest) = url
        .split_once("://")
        .map_or(("", url), |(scheme, rest)| (&url[..scheme.len() + 3], rest));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}[hidden]{}", &rest[at..]),
        None => url.to_owned(),
    }
}

fn check_model(model: &str, dimensions: i32) -> Result<(), ConfigError> {
    check_text("model", model)?;
    if model.is_empty() {
        return Err(ConfigError::new("model", "is empty"));
    }
    check_range("dimensions", Some(dimensions), 1..=MAX_DIMENSIONS)
}

fn check_texts(texts: &[(&str, &Option<String>)]) -> Result<(), ConfigError> {
    texts
        .iter()
        .try_for_each(|(setter, text)| text.as_ref().map_or(Ok(()), |text| check_text(setter, text)))
}

/// jsonb cannot hold NUL. The catalogs drop nulls at any depth, so that they would not be read back.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_an_address_is_shown() {
        let url = "http://me:hunter2@h:1/v1?a=@b";
        for config in [
            Embedding::from(Embedding::openai("m", 3).base_url(url)),
            Embedding::from(Embedding::ollama("m", 3).base_url(url)),
            Embedding::litellm("azure/m", 3)
                .extra_options(serde_json::json!({"api_base": url}))
                .into(),
        ] {
            let shown = format!("{config:?}");
            assert!(
                shown.contains("http://[hidden]@h:1/v1?a=@b") && !shown.contains("hunter2"),
                "{shown}"
            );
        }
        assert_eq!(without_user("me:hunter2@gpu"), "[hidden]@gpu");
        assert_eq!(without_user("http://h/v1"), "http://h/v1");
    }
}

//! Providers that offer OpenAI's embeddings API, each with its own limits: OpenAI, Azure, Mistral, LiteLLM's proxy.

use std::borrow::Cow;

use async_trait::async_trait;

use crate::embedder::http::Auth;
use crate::embedder::openai::{OpenAiApi, tokens};
use crate::embedder::{EmbedError, Embedder, Embeddings, InputType, RequestLimits, ServerAddress};

/// The newest version of Azure's API that is not a preview.
const AZURE_VERSION: &str = "2024-10-21";

/// A provider that offers OpenAI's API.
#[derive(Clone, Debug)]
pub(super) struct Compatible {
    api: OpenAiApi,
    limits: RequestLimits,
    counting: Counting,
}

#[derive(Clone, Copy, Debug)]
enum Counting {
    /// As OpenAI's models count. Texts that are longer than the model reads are truncated.
    OpenAi,
    /// With an unknown tokenizer.
    Unknown,
}

impl Compatible {
    pub(super) fn openai(mut api: OpenAiApi) -> Self {
        // other models have one length of vectors, or run on servers that may not know the field
        if api.model.starts_with("text-embedding-3-") {
            let dimensions = api.dimensions;
            api.fields.set_default("dimensions", dimensions);
        }
        Self {
            api,
            limits: RequestLimits::inputs(2_048).tokens(300_000),
            counting: Counting::OpenAi,
        }
    }

    /// A deployment, usually named as its model.
    pub(super) fn azure(mut api: OpenAiApi, version: Option<&str>) -> Self {
        api.api.auth = Auth::ApiKey;
        api.api.base_url = api
            .api
            .base_url
            .with_query("api-version", version.unwrap_or(AZURE_VERSION));
        api.path = format!("openai/deployments/{}/embeddings", api.model).into();
        Self::openai(api)
    }

    /// At most 16,384 tokens a request, some of which Mistral adds. It does not document a limit of texts.
    pub(super) fn mistral(mut api: OpenAiApi) -> Self {
        if let Some(dimensions) = api.fields.take(&["output_dimension", "dimensions"]) {
            api.fields.set("output_dimension", dimensions);
        }
        Self {
            api,
            limits: RequestLimits::inputs(128).tokens(16_000),
            counting: Counting::Unknown,
        }
    }

    /// Any provider may be behind the proxy, so the lowest limit of any provider.
    pub(super) fn proxy(api: OpenAiApi) -> Self {
        Self {
            api,
            limits: RequestLimits::inputs(96).tokens(16_000),
            counting: Counting::Unknown,
        }
    }
}

#[async_trait]
impl Embedder for Compatible {
    async fn embed(&self, texts: &[&str], _input_type: InputType) -> Result<Embeddings, EmbedError> {
        match self.counting {
            Counting::OpenAi => {
                let truncate = |text| tokens::truncate(&self.api.model, text);
                let input: Vec<Cow<'_, str>> = texts.iter().map(|text| truncate(text)).collect();
                self.api.embed(&input, &self.api.fields).await
            }
            Counting::Unknown => self.api.embed(texts, &self.api.fields).await,
        }
    }

    fn limits(&self) -> RequestLimits {
        self.limits
    }

    fn count_tokens(&self, text: &str) -> usize {
        match self.counting {
            Counting::OpenAi => tokens::count(&self.api.model, text),
            Counting::Unknown => tokens::at_most(text),
        }
    }

    fn server(&self) -> Option<ServerAddress> {
        self.api.api.server()
    }
}

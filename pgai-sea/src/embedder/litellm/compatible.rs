//! Providers whose embeddings API is OpenAI's, each with its own limits.

use std::borrow::Cow;

use async_trait::async_trait;

use crate::embedder::{EmbedError, Embedder, InputType, RequestLimits, http::Auth, openai_api::OpenAiApi, tokens};

/// The newest version of Azure's interface that is no preview.
const AZURE_VERSION: &str = "2024-10-21";

/// A provider that answers as OpenAI would.
#[derive(Clone, Debug)]
pub(super) struct Compatible {
    api: OpenAiApi,
    limits: RequestLimits,
    counting: Counting,
}

#[derive(Clone, Copy, Debug)]
enum Counting {
    /// As OpenAI's models count; longer texts than they read are cut.
    OpenAi,
    /// With a tokenizer that nobody has here.
    Unknown,
}

impl Compatible {
    pub(super) fn openai(mut api: OpenAiApi) -> Self {
        // the others have one length each, or are on servers that may not know the field
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

    /// A deployment, usually called as the model that it runs.
    pub(super) fn azure(mut api: OpenAiApi, version: Option<&str>) -> Self {
        api.api.auth = Auth::ApiKey;
        api.api.base_url = api
            .api
            .base_url
            .with_query("api-version", version.unwrap_or(AZURE_VERSION));
        api.path = format!("openai/deployments/{}/embeddings", api.model).into();
        Self::openai(api)
    }

    /// At most 16,384 tokens a request, of which some are Mistral's own. How many texts is not documented.
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

    /// Any provider may be behind it, so the fewest texts that one takes.
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
    async fn embed(&self, texts: &[String], _input_type: InputType) -> Result<Vec<Vec<f32>>, EmbedError> {
        match self.counting {
            Counting::OpenAi => {
                let cut = |text| tokens::cut(&self.api.model, text);
                let input: Vec<Cow<'_, str>> = texts.iter().map(|text| cut(text)).collect();
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
}

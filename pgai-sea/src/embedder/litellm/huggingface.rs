//! Hugging Face's feature extraction, and the servers of one's own that speak it (Text Embeddings Inference).

use async_trait::async_trait;
use serde::Serialize;

use crate::embedder::{
    EmbedError, Embedder, InputType, RequestLimits, fields::Fields, http::Endpoint, rejection::Rejection,
};

/// Where Hugging Face runs a model.
pub(super) fn address(model: &str) -> String {
    format!("https://router.huggingface.co/hf-inference/models/{model}/pipeline/feature-extraction")
}

/// Embeds with a model at Hugging Face, or at an address of one's own: `POST {address}`.
#[derive(Clone, Debug)]
pub(super) struct HuggingFace {
    api: Endpoint,
    model: String,
    dimensions: usize,
    fields: Fields,
}

impl HuggingFace {
    pub(super) fn new(api: Endpoint, model: &str, dimensions: usize, mut fields: Fields) -> Self {
        // what the model has is what there is; and how LiteLLM is told what the address does
        fields.take(&["dimensions"]);
        fields.take(&["task_type", "input_type"]);
        Self {
            api,
            model: model.to_owned(),
            dimensions,
            fields,
        }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    inputs: &'a [String],
    #[serde(flatten)]
    fields: &'a Fields,
}

#[async_trait]
impl Embedder for HuggingFace {
    async fn embed(&self, texts: &[String], _input_type: InputType) -> Result<Vec<Vec<f32>>, EmbedError> {
        let request = Request {
            inputs: texts,
            fields: &self.fields,
        };
        let answer = self.api.post("", &request).await?;
        if let Some(rejection) = Rejection::of(&answer) {
            return Err(rejection.into_error(&self.api));
        }
        // a model that is no sentence transformer answers with a vector for each token, which is none of a text
        let vectors: Vec<Vec<f32>> = self.api.parse(&answer)?;
        self.api.check(&self.model, self.dimensions, texts.len(), vectors)
    }

    /// 32 texts, which is what Text Embeddings Inference takes if it is not told otherwise.
    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(32)
    }
}

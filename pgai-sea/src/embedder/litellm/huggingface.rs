//! Hugging Face's feature extraction, and your own servers that offer it (Text Embeddings Inference).

use async_trait::async_trait;
use serde::Serialize;

use crate::embedder::http::{Endpoint, Fields, Rejection, room_for};
use crate::embedder::{EmbedError, Embedder, Embeddings, InputType, RequestLimits, ServerAddress};

/// Where Hugging Face runs a model.
pub(super) fn address(model: &str) -> String {
    format!("https://router.huggingface.co/hf-inference/models/{model}/pipeline/feature-extraction")
}

/// Embeds with a model at Hugging Face, or at another address: `POST {address}`.
#[derive(Clone, Debug)]
pub(super) struct HuggingFace {
    api: Endpoint,
    model: String,
    dimensions: usize,
    fields: Fields,
}

impl HuggingFace {
    pub(super) fn new(api: Endpoint, model: &str, dimensions: usize, mut fields: Fields) -> Self {
        // the model has one length of vectors; and the other two only tell LiteLLM what the address does
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
struct ExtractionRequest<'a> {
    inputs: &'a [&'a str],
    #[serde(flatten)]
    fields: &'a Fields,
}

#[async_trait]
impl Embedder for HuggingFace {
    async fn embed(&self, texts: &[&str], _input_type: InputType) -> Result<Embeddings, EmbedError> {
        let request = ExtractionRequest {
            inputs: texts,
            fields: &self.fields,
        };
        let room = room_for(texts, self.dimensions);
        let response = self.api.post("", &request, room).await?;
        if let Some(rejection) = Rejection::of(&response) {
            return Err(rejection.into_error(&self.api));
        }
        // a model that is no sentence transformer answers with a vector for each token, and the response does not parse
        let vectors: Vec<Vec<f32>> = self.api.parse(&response)?;
        let vectors = self.api.check(&self.model, self.dimensions, texts.len(), vectors)?;
        Ok(vectors.into())
    }

    /// 32 texts, the default of Text Embeddings Inference.
    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(32)
    }

    fn server(&self) -> Option<ServerAddress> {
        self.api.server()
    }
}

//! Cohere.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::embedder::http::{Endpoint, Fields, Rejection, room_for};
use crate::embedder::{EmbedError, Embedder, Embeddings, InputType, RequestLimits, ServerAddress};

pub(super) const PUBLIC: &str = "https://api.cohere.com";

/// Embeds with Cohere: `POST {base}/v2/embed`.
#[derive(Clone, Debug)]
pub(super) struct Cohere {
    api: Endpoint,
    model: String,
    dimensions: usize,
    /// What chunks are embedded as.
    input_type: String,
    fields: Fields,
}

impl Cohere {
    pub(super) fn new(mut api: Endpoint, model: &str, dimensions: usize, mut fields: Fields) -> Self {
        // LiteLLM's users give the whole address
        api.base_url = api.base_url.without_end(&["/v2/embed", "/v1/embed", "/v2", "/v1"]);
        let input_type = fields.take(&["input_type"]);
        let asked = fields.take(&["output_dimension", "dimensions"]);
        match asked {
            Some(asked) => fields.set("output_dimension", asked),
            // earlier models have one length of vectors each
            None if model.starts_with("embed-v4") => fields.set("output_dimension", dimensions),
            None => {}
        }
        Self {
            api,
            model: model.to_owned(),
            dimensions,
            input_type: input_type
                .as_ref()
                .and_then(|input_type| input_type.as_str())
                .unwrap_or("search_document")
                .to_owned(),
            fields,
        }
    }
}

#[derive(Serialize)]
struct EmbedRequest<'a> {
    model: &'a str,
    texts: &'a [&'a str],
    input_type: &'a str,
    embedding_types: [&'static str; 1],
    #[serde(flatten)]
    fields: &'a Fields,
}

#[derive(Deserialize)]
struct EmbedResponse {
    embeddings: ResponseVectors,
    meta: Option<serde_json::Value>,
}

/// By type, as requested. Some gateways do not keep the types.
#[derive(Deserialize)]
#[serde(untagged)]
enum ResponseVectors {
    ByType { float: Vec<Vec<f32>> },
    Plain(Vec<Vec<f32>>),
}

#[async_trait]
impl Embedder for Cohere {
    async fn embed(&self, texts: &[&str], input_type: InputType) -> Result<Embeddings, EmbedError> {
        let input_type = match input_type {
            InputType::Document => self.input_type.as_str(),
            InputType::Query => "search_query",
        };
        let request = EmbedRequest {
            model: &self.model,
            texts,
            input_type,
            embedding_types: ["float"],
            fields: &self.fields,
        };
        let room = room_for(texts, self.dimensions);
        let response = self.api.post("v2/embed", &request, room).await?;
        if let Some(rejection) = Rejection::of(&response) {
            return Err(rejection.into_error(&self.api));
        }
        let EmbedResponse { embeddings, meta } = self.api.parse(&response)?;
        let (ResponseVectors::ByType { float: vectors } | ResponseVectors::Plain(vectors)) = embeddings;
        Ok(Embeddings {
            vectors: self.api.check(&self.model, self.dimensions, texts.len(), vectors)?,
            input_tokens: meta.and_then(|meta| meta.pointer("/billed_units/input_tokens")?.as_u64()),
        })
    }

    /// 96 texts. Cohere itself truncates a text that is longer than the model reads.
    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(96)
    }

    fn server(&self) -> Option<ServerAddress> {
        self.api.server()
    }
}

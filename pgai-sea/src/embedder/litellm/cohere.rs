//! Cohere's embeddings API.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::embedder::{
    EmbedError, Embedder, InputType, RequestLimits, call::report_usage, fields::Fields, http::Endpoint,
    rejection::Rejection,
};

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
        // LiteLLM wants the whole address
        let ends = ["/v2/embed", "/v1/embed", "/v2", "/v1"];
        api.base_url = api.base_url.map(|url| super::without_end(url, &ends));
        let input_type = fields.take(&["input_type"]);
        let asked = fields.take(&["output_dimension", "dimensions"]);
        match asked {
            Some(asked) => fields.set("output_dimension", asked),
            // earlier models have one length each
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
struct Request<'a> {
    model: &'a str,
    texts: &'a [String],
    input_type: &'a str,
    embedding_types: [&'static str; 1],
    #[serde(flatten)]
    fields: &'a Fields,
}

#[derive(Deserialize)]
struct Response {
    embeddings: Embeddings,
    meta: Option<serde_json::Value>,
}

/// By type where types were asked for, which gateways in between do not always keep.
#[derive(Deserialize)]
#[serde(untagged)]
enum Embeddings {
    ByType { float: Vec<Vec<f32>> },
    Plain(Vec<Vec<f32>>),
}

#[async_trait]
impl Embedder for Cohere {
    async fn embed(&self, texts: &[String], input_type: InputType) -> Result<Vec<Vec<f32>>, EmbedError> {
        let input_type = match input_type {
            InputType::Document => self.input_type.as_str(),
            InputType::Query => "search_query",
        };
        let request = Request {
            model: &self.model,
            texts,
            input_type,
            embedding_types: ["float"],
            fields: &self.fields,
        };
        let answer = self.api.post("v2/embed", &request).await?;
        if let Some(rejection) = Rejection::of(&answer) {
            return Err(rejection.into_error(&self.api));
        }
        let response: Response = self.api.parse(&answer)?;
        report_usage(response.meta.as_ref(), "/billed_units/input_tokens");
        let (Embeddings::ByType { float: vectors } | Embeddings::Plain(vectors)) = response.embeddings;
        self.api.check(&self.model, self.dimensions, texts.len(), vectors)
    }

    /// 96 texts; longer texts than the model reads are cut by Cohere.
    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(96)
    }
}

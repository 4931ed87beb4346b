//! Jina AI.

use serde_json::json;

use super::api::{RerankApi, setters};

/// Reranks with Jina AI: `POST https://api.jina.ai/v1/rerank`.
///
/// ```
/// use pgai_sea::rerank::Jina;
///
/// let reranker = Jina::new("jina-reranker-v2-base-multilingual").api_key("jina_..");
/// assert!(!format!("{reranker:?}").contains("jina_..")); // keys are never shown
/// ```
#[derive(Clone, Debug)]
pub struct Jina(RerankApi);

impl Jina {
    /// Reranks with `model`.
    #[must_use]
    pub fn new(model: impl Into<String>) -> Self {
        let mut api = RerankApi::new("jina", "https://api.jina.ai", "v1/rerank");
        api.model = Some(model.into());
        // by default the passages come back
        api.fields.insert("return_documents".to_owned(), json!(false));
        Self(api)
    }
}

setters!(Jina);

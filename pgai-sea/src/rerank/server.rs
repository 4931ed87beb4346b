//! Servers of one's own.

use serde_json::json;

use super::api::{RerankApi, setters};

/// Reranks with any server that has `POST /v1/rerank` as Cohere and Jina have it: vLLM, llama.cpp (`llama-server
/// --reranking`), LiteLLM's proxy, Infinity.
///
/// ```
/// use pgai_sea::rerank::RerankServer;
///
/// let reranker = RerankServer::new("http://gpu:8000").model("BAAI/bge-reranker-v2-m3");
/// assert!(format!("{reranker:?}").contains("http://gpu:8000"));
/// ```
#[derive(Clone, Debug)]
pub struct RerankServer(RerankApi);

impl RerankServer {
    /// The server at `base_url`, with or without `/v1/rerank`.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        Self(RerankApi::new("the rerank server", "", "v1/rerank")).base_url(base_url)
    }

    /// The model, where the server has several.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.0.model = Some(model.into());
        self
    }
}

setters!(RerankServer);

/// Reranks with [text-embeddings-inference](https://github.com/huggingface/text-embeddings-inference): `POST /rerank`.
///
/// A request has at most 32 passages, as the server takes by default. The server cuts texts that are longer than its
/// model reads.
///
/// ```
/// use pgai_sea::rerank::TextEmbeddingsInference;
///
/// let reranker = TextEmbeddingsInference::new("http://gpu:8080").max_batch(128);
/// assert!(format!("{reranker:?}").contains("http://gpu:8080"));
/// ```
#[derive(Clone, Debug)]
pub struct TextEmbeddingsInference(RerankApi);

impl TextEmbeddingsInference {
    /// The server at `base_url`.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        let mut api = RerankApi::new("text-embeddings-inference", "", "rerank");
        api.passages = "texts";
        api.most = 32;
        api.fields.insert("truncate".to_owned(), json!(true));
        Self(api).base_url(base_url)
    }

    /// The most passages of one request: the server's `--max-client-batch-size`.
    #[must_use]
    pub fn max_batch(mut self, passages: usize) -> Self {
        self.0.most = passages.max(1);
        self
    }
}

setters!(TextEmbeddingsInference);

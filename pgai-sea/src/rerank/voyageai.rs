//! Voyage AI.

use super::api::{RerankApi, setters};

/// Reranks with Voyage AI: `POST https://api.voyageai.com/v1/rerank`.
///
/// ```
/// use pgai_sea::rerank::VoyageAi;
///
/// let reranker = VoyageAi::new("rerank-2.5-lite").api_key("pa-..");
/// assert!(!format!("{reranker:?}").contains("pa-..")); // keys are never shown
/// ```
#[derive(Clone, Debug)]
pub struct VoyageAi(RerankApi);

impl VoyageAi {
    /// Reranks with `model`.
    #[must_use]
    pub fn new(model: impl Into<String>) -> Self {
        let model = model.into();
        let mut api = RerankApi::new("voyageai", "https://api.voyageai.com", "v1/rerank");
        api.most_tokens = Some(match model.as_str() {
            "rerank-1" | "rerank-lite-1" => 300_000,
            _ => 600_000,
        });
        api.model = Some(model);
        Self(api)
    }
}

setters!(VoyageAi);

//! Cohere.

use super::api::{RerankApi, setters};

/// Reranks with Cohere: `POST https://api.cohere.com/v2/rerank`.
///
/// ```
/// use pgai_sea::rerank::Cohere;
///
/// let reranker = Cohere::new("rerank-v3.5").api_key("co-..");
/// assert!(!format!("{reranker:?}").contains("co-..")); // keys are never shown
/// ```
#[derive(Clone, Debug)]
pub struct Cohere(RerankApi);

impl Cohere {
    /// Reranks with `model`.
    #[must_use]
    pub fn new(model: impl Into<String>) -> Self {
        let mut api = RerankApi::new("cohere", "https://api.cohere.com", "v2/rerank");
        api.model = Some(model.into());
        Self(api)
    }
}

setters!(Cohere);

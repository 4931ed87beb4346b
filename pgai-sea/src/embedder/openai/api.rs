//! `POST {base}/embeddings`, the API that OpenAI defined and many other servers offer.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::packed::Numbers;
use crate::embedder::http::{Endpoint, Fields, Rejection, room_for};
use crate::embedder::{EmbedError, Embeddings};

/// A server that speaks OpenAI's embeddings API.
#[derive(Clone, Debug)]
pub(crate) struct OpenAiApi {
    pub(crate) api: Endpoint,
    /// What follows the base URL.
    pub(crate) path: Cow<'static, str>,
    pub(crate) model: String,
    /// The length of the vectors.
    pub(crate) dimensions: usize,
    /// Further fields of each request.
    pub(crate) fields: Fields,
    /// Whether the server refuses to be told the length of the vectors. Clones share what it told.
    refuses_length: Arc<AtomicBool>,
}

/// The fields that say how long vectors should be.
const LENGTH: [&str; 2] = ["dimensions", "output_dimension"];

impl OpenAiApi {
    pub(crate) fn new(api: Endpoint, model: impl Into<String>, dimensions: usize) -> Self {
        Self {
            api,
            path: "embeddings".into(),
            model: model.into(),
            dimensions,
            fields: Fields::default(),
            refuses_length: Arc::default(),
        }
    }

    /// Embeds `texts` with a request that has these further `fields`.
    ///
    /// A server whose model has one length may refuse to be told which. Then it is asked without, now and later, and
    /// the vectors have to have the right length by themselves.
    pub(crate) async fn embed(
        &self,
        texts: &[impl AsRef<str> + Serialize + Sync],
        fields: &Fields,
    ) -> Result<Embeddings, EmbedError> {
        let mut shorter = fields.clone();
        if shorter.take(&LENGTH).is_none() {
            return self.ask(texts, fields).await;
        }
        if self.refuses_length.load(Ordering::Relaxed) {
            return self.ask(texts, &shorter).await;
        }
        let refused = match self.ask(texts, fields).await {
            Err(error) if is_about_length(&error) => error,
            result => return result,
        };
        match self.ask(texts, &shorter).await {
            Ok(embeddings) => {
                tracing::info!(
                    model = self.model,
                    "the server is not told how long vectors should be: {refused}"
                );
                self.refuses_length.store(true, Ordering::Relaxed);
                Ok(embeddings)
            }
            // its vectors have another length
            Err(EmbedError::Answer { .. }) => Err(refused),
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, texts: &[impl AsRef<str> + Serialize], fields: &Fields) -> Result<Embeddings, EmbedError> {
        let request = EmbeddingsRequest {
            model: &self.model,
            input: texts,
            fields,
        };
        let response = self
            .api
            .post(&self.path, &request, room_for(texts, self.dimensions))
            .await?;
        if let Some(rejection) = Rejection::of(&response) {
            return Err(rejection.into_error(&self.api));
        }
        let response: EmbeddingsResponse = self.api.parse(&response)?;
        let vectors = in_order(response.data).map_err(|message| self.api.answer(message))?;
        Ok(Embeddings {
            vectors: self.api.check(&self.model, self.dimensions, texts.len(), vectors)?,
            input_tokens: response.usage.and_then(|usage| usage.get("total_tokens")?.as_u64()),
        })
    }
}

/// Whether a refusal speaks of the length of the vectors: vLLM's of `matryoshka representation`, others' of a field
/// that they do not know.
fn is_about_length(error: &EmbedError) -> bool {
    let (EmbedError::Refused { message, .. } | EmbedError::Configuration { message, .. }) = error else {
        return false;
    };
    let message = message.to_lowercase();
    message.contains("dimension") || message.contains("matryoshka")
}

#[derive(Serialize)]
struct EmbeddingsRequest<'a, T> {
    model: &'a str,
    input: &'a [T],
    #[serde(flatten)]
    fields: &'a Fields,
}

#[derive(Deserialize)]
struct EmbeddingsResponse {
    data: Vec<IndexedVector>,
    /// Servers differ in what they put here. Some leave it out.
    usage: Option<serde_json::Value>,
}

#[derive(Deserialize)]
pub(super) struct IndexedVector {
    /// Which text this vector belongs to. Some servers leave it out and answer in order.
    index: Option<usize>,
    pub(super) embedding: Numbers,
}

/// The vectors in the order of the texts. An error if an index is missing, repeated or out of range.
fn in_order(items: Vec<IndexedVector>) -> Result<Vec<Vec<f32>>, String> {
    let count = items.len();
    let mut vectors = vec![None; count];
    for (position, item) in items.into_iter().enumerate() {
        let index = item.index.unwrap_or(position);
        match vectors.get_mut(index) {
            Some(slot @ None) => *slot = Some(item.embedding.0),
            Some(Some(_)) => return Err(format!("two vectors with index {index}")),
            None => return Err(format!("a vector with index {index} among {count}")),
        }
    }
    // as many distinct indices as slots: every slot is taken
    Ok(vectors.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(index: Option<usize>, number: f32) -> IndexedVector {
        IndexedVector {
            index,
            embedding: Numbers(vec![number]),
        }
    }

    #[test]
    fn answers_are_put_in_order() {
        let items = vec![item(Some(2), 2.), item(Some(0), 0.), item(Some(1), 1.)];
        assert_eq!(in_order(items), Ok(vec![vec![0.], vec![1.], vec![2.]]));
        let items = vec![item(None, 0.), item(None, 1.)];
        assert_eq!(in_order(items), Ok(vec![vec![0.], vec![1.]]));
    }

    #[test]
    fn an_answer_with_a_wrong_index_is_not_guessed_at() {
        assert!(in_order(vec![item(Some(0), 0.), item(Some(0), 1.)]).is_err());
        assert!(in_order(vec![item(Some(1), 0.)]).is_err());
    }
}

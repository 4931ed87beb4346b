//! `POST {base}/embeddings` as OpenAI defined it and others took it over.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{EmbedError, call::report_usage, fields::Fields, http::Endpoint, packed::Numbers, rejection::Rejection};

/// A server that speaks OpenAI's embeddings API.
#[derive(Clone, Debug)]
pub(super) struct OpenAiApi {
    pub(super) api: Endpoint,
    /// What follows the base URL.
    pub(super) path: Cow<'static, str>,
    pub(super) model: String,
    /// The length that vectors have to have.
    pub(super) dimensions: usize,
    /// What else each request says.
    pub(super) fields: Fields,
}

impl OpenAiApi {
    pub(super) fn new(api: Endpoint, model: impl Into<String>, dimensions: usize) -> Self {
        Self {
            api,
            path: "embeddings".into(),
            model: model.into(),
            dimensions,
            fields: Fields::default(),
        }
    }

    /// The vectors of `texts`; the request says what `fields` does.
    pub(super) async fn embed(
        &self,
        texts: &[impl AsRef<str> + Serialize],
        fields: &Fields,
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        let request = Request {
            model: &self.model,
            input: texts,
            fields,
        };
        let answer = self.api.post(&self.path, &request).await?;
        if let Some(rejection) = Rejection::of(&answer) {
            return Err(rejection.into_error(&self.api));
        }
        let response: Response = self.api.parse(&answer)?;
        report_usage(response.usage.as_ref(), "/total_tokens");
        let vectors = in_order(response.data).map_err(|message| self.api.answer(message))?;
        self.api.check(&self.model, self.dimensions, texts.len(), vectors)
    }
}

#[derive(Serialize)]
struct Request<'a, T> {
    model: &'a str,
    input: &'a [T],
    #[serde(flatten)]
    fields: &'a Fields,
}

#[derive(Deserialize)]
struct Response {
    data: Vec<Item>,
    /// Servers differ in what they write here, and may write nothing.
    usage: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Item {
    /// Which text this is the vector of. Some servers leave it out and answer in order.
    index: Option<usize>,
    embedding: Numbers,
}

/// The vectors in the order of the texts; the message of an unusable answer if an index is missing, repeated or out of range.
fn in_order(items: Vec<Item>) -> Result<Vec<Vec<f32>>, String> {
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

    fn item(index: Option<usize>, number: f32) -> Item {
        Item {
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

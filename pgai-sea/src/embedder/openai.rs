//! OpenAI's embeddings API, and the many servers that speak it.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    EmbedError, Embedder, InputType, RequestLimits, environment,
    http::{BaseUrl, Endpoint, Secret},
    rejection::Rejection,
    tokens,
};

const PROVIDER: &str = "openai";
const PUBLIC: &str = "https://api.openai.com/v1";
/// The only model that has one length of vector and no `dimensions` to ask for another.
const ADA: &str = "text-embedding-ada-002";
const ADA_DIMENSIONS: usize = 1536;

/// Embeds with OpenAI, or with a server that offers the same `POST {base_url}/embeddings`.
///
/// ```
/// use pgai_sea::embedder::OpenAi;
///
/// let embedder = OpenAi::new("text-embedding-3-small", 768).api_key("sk-..");
/// assert!(!format!("{embedder:?}").contains("sk-")); // keys are never shown
/// ```
///
/// As pgai's worker does it, texts for OpenAI's own three models are cut to the 8,191 tokens that they read, and
/// `text-embedding-ada-002`, which has 1,536 dimensions, is not asked for a number of dimensions. Vectors are asked for as JSON
/// numbers, by naming no `encoding_format`: every compatible server answers that, while some refuse `base64` and others
/// `float`.
#[derive(Clone, Debug)]
pub struct OpenAi {
    api: Endpoint,
    model: String,
    dimensions: usize,
    user: Option<String>,
}

impl OpenAi {
    /// Vectors of `dimensions` numbers from `model`, at OpenAI's public address.
    #[must_use]
    pub fn new(model: impl Into<String>, dimensions: usize) -> Self {
        Self {
            api: Endpoint {
                provider: PROVIDER,
                base_url: BaseUrl::new(PUBLIC),
                api_key: None,
                key_name: None,
                timeout: Duration::from_mins(2),
            },
            model: model.into(),
            dimensions,
            user: None,
        }
    }

    /// The same with the API key of `OPENAI_API_KEY` and the address of `OPENAI_BASE_URL`, where they are set.
    #[must_use]
    pub fn from_env(model: impl Into<String>, dimensions: usize) -> Self {
        let mut openai = Self::new(model, dimensions);
        openai = match environment("OPENAI_API_KEY") {
            Some(key) => openai.api_key(key),
            None => openai.missing_key("OPENAI_API_KEY"),
        };
        if let Some(url) = environment("OPENAI_BASE_URL") {
            openai = openai.base_url(url);
        }
        openai
    }

    /// Remembers where a key could have come from, for the error if the server wants one.
    pub(super) fn missing_key(mut self, name: &str) -> Self {
        self.api.key_name = Some(name.to_owned());
        self
    }

    /// The key that is sent as `Authorization: Bearer`. Without one the header is left out, as local servers like it.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api.api_key = Some(Secret::new(key));
        self
    }

    /// Another server's address, up to and without `/embeddings`: `http://localhost:8080/v1`.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.api.base_url = BaseUrl::new(url);
        self
    }

    /// Whom OpenAI should hold responsible for what is sent (its argument `user`, pgai's `chat_user`).
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// How long one request may take; two minutes if not set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.api.timeout = timeout;
        self
    }

    /// What to ask for in `dimensions`.
    fn dimensions_asked(&self) -> Result<Option<usize>, EmbedError> {
        match (self.model.as_str(), self.dimensions) {
            (ADA, ADA_DIMENSIONS) => Ok(None),
            (ADA, other) => Err(self.api.configuration(format!(
                "`{ADA}` always has {ADA_DIMENSIONS} dimensions, configured are {other}: declare {ADA_DIMENSIONS}, or use \
                 text-embedding-3-small"
            ))),
            (_, dimensions) => Ok(Some(dimensions)),
        }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [Cow<'a, str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Deserialize)]
struct Response {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    /// Which text this is the vector of. Some servers leave it out and answer in order.
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// The vectors in the order of the texts; the message of an unusable answer if an index is missing, repeated or out of range.
fn in_order(items: Vec<Item>) -> Result<Vec<Vec<f32>>, String> {
    let count = items.len();
    let mut vectors = vec![None; count];
    for (position, item) in items.into_iter().enumerate() {
        let index = item.index.unwrap_or(position);
        match vectors.get_mut(index) {
            Some(slot @ None) => *slot = Some(item.embedding),
            Some(Some(_)) => return Err(format!("two vectors with index {index}")),
            None => return Err(format!("a vector with index {index} among {count}")),
        }
    }
    // as many distinct indices as slots: every slot is taken
    Ok(vectors.into_iter().flatten().collect())
}

#[async_trait]
impl Embedder for OpenAi {
    async fn embed(&self, texts: &[String], _input_type: InputType) -> Result<Vec<Vec<f32>>, EmbedError> {
        let dimensions = self.dimensions_asked()?;
        let input: Vec<_> = texts.iter().map(|text| tokens::cut(&self.model, text)).collect();
        let request = Request {
            model: &self.model,
            input: &input,
            dimensions,
            user: self.user.as_deref(),
        };
        let answer = self.api.post("embeddings", &request).await?;
        if let Some(rejection) = Rejection::of(&answer) {
            return Err(rejection.into_error(&self.api));
        }
        let response: Response = self.api.parse(&answer)?;
        let vectors = in_order(response.data).map_err(|message| self.api.answer(message))?;
        self.api.check(&self.model, self.dimensions, texts.len(), vectors)
    }

    /// 2,048 texts and 300,000 estimated tokens: OpenAI's own limits.
    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(2048).tokens(300_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(index: Option<usize>, number: f32) -> Item {
        Item {
            index,
            embedding: vec![number],
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

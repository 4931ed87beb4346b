//! The `/rerank` API that all servers share, and what differs.

use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::RerankError;
use crate::embedder::EmbedError;
use crate::embedder::http::{BaseUrl, Endpoint, Rejection, Secret, room_for};

/// The default time for one request: people wait for it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How many requests of one call are made side by side.
const CONCURRENCY: usize = 4;

/// A server with a `/rerank` API.
#[derive(Clone, Debug)]
pub(super) struct RerankApi {
    pub(super) endpoint: Endpoint,
    /// The path below the base URL.
    pub(super) path: &'static str,
    pub(super) model: Option<String>,
    /// The field that the passages are in.
    pub(super) passages: &'static str,
    /// The most passages of one request.
    pub(super) most: usize,
    /// The most tokens of one request, the query counted with each passage.
    pub(super) most_tokens: Option<usize>,
    /// The most tokens of a passage. The rest is cut off here.
    pub(super) passage_tokens: Option<usize>,
    /// Further fields of each request.
    pub(super) fields: Map<String, Value>,
}

/// The scores of passages: `results` at Cohere, Jina and most servers, `data` at Voyage AI, and a bare list at
/// text-embeddings-inference.
#[derive(Deserialize)]
#[serde(untagged)]
enum Response {
    Results { results: Vec<Scored> },
    Data { data: Vec<Scored> },
    List(Vec<Scored>),
}

#[derive(Deserialize)]
struct Scored {
    index: usize,
    #[serde(alias = "relevance_score")]
    score: f32,
}

impl RerankApi {
    pub(super) fn new(provider: &'static str, base_url: impl Into<String>, path: &'static str) -> Self {
        Self {
            endpoint: Endpoint::new(provider, base_url, TIMEOUT),
            path,
            model: None,
            passages: "documents",
            most: 1_000,
            most_tokens: None,
            passage_tokens: None,
            fields: Map::new(),
        }
    }

    pub(super) fn api_key(&mut self, key: impl Into<String>) {
        self.endpoint.api_key = Some(Secret::new(key));
    }

    /// Another address. Users give it with or without the path.
    pub(super) fn base_url(&mut self, url: impl Into<String>) {
        self.endpoint.base_url = BaseUrl::new(url).without_end(&["/v2/rerank", "/v1/rerank", "/rerank", "/v2", "/v1"]);
    }

    /// Scores the passages, in as many requests as the server's limits need.
    pub(super) async fn rerank(&self, query: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        let passages: Vec<&str> = passages.iter().map(|passage| self.cut(passage)).collect();
        let mut requests = Vec::new();
        for passages in self.requests(query, &passages) {
            requests.push(self.request(query, passages));
        }
        let scores: Vec<Vec<f32>> = stream::iter(requests)
            .buffered(CONCURRENCY)
            .try_collect()
            .await
            .map_err(|error| self.failed(error))?;
        Ok(scores.concat())
    }

    async fn request(&self, query: &str, passages: &[&str]) -> Result<Vec<f32>, EmbedError> {
        let mut body = self.fields.clone();
        body.insert("query".to_owned(), json!(query));
        body.insert(self.passages.to_owned(), json!(passages));
        if let Some(model) = &self.model {
            body.insert("model".to_owned(), json!(model));
        }
        // some servers send the passages back
        let room = room_for(passages, 1);
        let response = self.endpoint.post(self.path, &body, room).await?;
        if let Some(rejection) = Rejection::of(&response) {
            return Err(rejection.into_error(&self.endpoint));
        }
        let (Response::Results { results: scored } | Response::Data { data: scored } | Response::List(scored)) =
            self.endpoint.parse(&response)?;
        let mut scores = vec![None; passages.len()];
        for Scored { index, score } in scored {
            let place = scores.get_mut(index).ok_or_else(|| {
                self.endpoint
                    .answer(format!("a score for passage {index} of {}", passages.len()))
            })?;
            if !score.is_finite() || place.replace(score).is_some() {
                return Err(self.endpoint.answer(format!("passage {index} has no score, or two")));
            }
        }
        let missing = || self.endpoint.answer("not every passage has a score");
        scores.into_iter().map(|score| score.ok_or_else(missing)).collect()
    }

    /// The passages of each request.
    fn requests<'p, 't>(&self, query: &str, passages: &'p [&'t str]) -> Vec<&'p [&'t str]> {
        let Some(most_tokens) = self.most_tokens else {
            return passages.chunks(self.most).collect();
        };
        let query = tokens(query);
        let mut requests = Vec::new();
        let mut rest = passages;
        while !rest.is_empty() {
            let mut room = most_tokens;
            let fits = |passage: &&&str| match room.checked_sub(query + tokens(passage)) {
                Some(left) => {
                    room = left;
                    true
                }
                None => false,
            };
            let count = rest.iter().take(self.most).take_while(fits).count();
            let (request, after) = rest.split_at(count.max(1));
            requests.push(request);
            rest = after;
        }
        requests
    }

    /// The start of a passage, as far as its tokens go. Four bytes count as one, as pgai's worker estimates.
    fn cut<'t>(&self, passage: &'t str) -> &'t str {
        match self.passage_tokens {
            Some(most) => &passage[..passage.floor_char_boundary(most.saturating_mul(4))],
            None => passage,
        }
    }

    fn failed(&self, error: EmbedError) -> RerankError {
        let provider = self.endpoint.provider;
        match error {
            // what this error says by itself is about vectors
            EmbedError::Configuration { message, .. } => {
                RerankError::new(format!("{provider} cannot rerank: {message}"))
            }
            error => RerankError::new(error.to_string()).with_wait(error.retry_after()),
        }
    }
}

fn tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

/// The setters that all providers have.
macro_rules! setters {
    ($name:ident) => {
        impl $name {
            /// The API key, sent as `Authorization: Bearer`.
            #[must_use]
            pub fn api_key(mut self, key: impl Into<String>) -> Self {
                self.0.api_key(key);
                self
            }

            /// The address of another server, with or without `/rerank`.
            #[must_use]
            pub fn base_url(mut self, url: impl Into<String>) -> Self {
                self.0.base_url(url);
                self
            }

            /// How long one request may take. By default ten seconds: people wait for it.
            #[must_use]
            pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
                self.0.endpoint.timeout = timeout;
                self
            }

            /// The most tokens of a passage, estimated as four bytes each. The rest of it is cut off: shorter passages
            /// are judged faster, and cost less.
            #[must_use]
            pub fn max_tokens(mut self, tokens: usize) -> Self {
                self.0.passage_tokens = Some(tokens);
                self
            }
        }

        #[async_trait::async_trait]
        impl $crate::rerank::Reranker for $name {
            async fn rerank(&self, query: &str, passages: &[&str]) -> Result<Vec<f32>, $crate::rerank::RerankError> {
                self.0.rerank(query, passages).await
            }
        }
    };
}

pub(super) use setters;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_keep_to_both_limits() {
        let mut api = RerankApi::new("test", "http://host", "rerank");
        api.most = 3;
        let lengths = |api: &RerankApi, bytes: &[usize]| -> Vec<usize> {
            let texts: Vec<String> = bytes.iter().map(|bytes| "x".repeat(*bytes)).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            api.requests("four", &texts)
                .iter()
                .map(|request| request.len())
                .collect()
        };
        assert_eq!(lengths(&api, &[4; 7]), [3, 3, 1]);
        api.most_tokens = Some(10); // 2 a passage, with the query's
        assert_eq!(lengths(&api, &[4; 7]), [3, 3, 1]);
        assert_eq!(lengths(&api, &[20, 20, 400, 4, 4]), [1, 1, 1, 2]);
        assert_eq!(lengths(&api, &[]), [0; 0]);
    }

    #[test]
    fn a_passage_is_cut_between_characters() {
        let mut api = RerankApi::new("test", "http://host", "rerank");
        assert_eq!(api.cut("日本語"), "日本語");
        api.passage_tokens = Some(1);
        assert_eq!(api.cut("日本語"), "日");
        assert_eq!(api.cut(""), "");
    }
}

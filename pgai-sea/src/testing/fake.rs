//! [`FakeEmbedder`]: an embedder without a model.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::failure::{Failure, refused};
use super::features;
use crate::embedder::{EmbedError, Embedder, Embedders, Embeddings, InputType};

/// How near a pinned text is to what it was pinned to. Not quite the same, so that an equal text is still nearer.
const NEAR: f32 = 0.99;

/// An embedder without a model. A text has the same vector on every machine, and texts with the same words are near to
/// each other.
///
/// Clones share what was pinned, scripted and recorded: keep one in the test and give one to the application.
///
/// ```
/// use pgai_sea::Embedder as _;
/// use pgai_sea::testing::{Failure, FakeEmbedder};
///
/// # tokio_test(async {
/// let embedder = FakeEmbedder::new(384);
/// embedder.pin("something warm to eat").near("Bread: flour, water and salt");
/// embedder.fail_next(Failure::Down);
///
/// assert!(embedder.embed_query("something warm to eat").await.is_err());
/// let vector = embedder.embed_query("something warm to eat").await.unwrap();
/// assert_eq!(vector, embedder.vector("something warm to eat"));
/// assert_eq!(embedder.requests().len(), 2);
/// # });
/// # fn tokio_test(test: impl Future<Output = ()>) {
/// #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FakeEmbedder {
    dimensions: usize,
    script: Arc<Mutex<Script>>,
}

/// What was asked in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The texts, as they were formatted by the vectorizer's template.
    pub texts: Vec<String>,
    /// Whether they were chunks or a question.
    pub input_type: InputType,
}

/// What clones share.
#[derive(Debug, Default)]
struct Script {
    pins: HashMap<String, Pinned>,
    failures: VecDeque<Failure>,
    refused: Vec<String>,
    is_strict: bool,
    requests: Vec<Request>,
}

/// What a pinned text is near to.
#[derive(Clone, Debug)]
enum Pinned {
    Text(String),
    Vector(Vec<f32>),
}

impl FakeEmbedder {
    /// An embedder whose vectors have so many dimensions.
    ///
    /// # Panics
    ///
    /// If `dimensions` is 0.
    #[must_use]
    pub fn new(dimensions: usize) -> Self {
        assert!(dimensions > 0, "a vector has at least one dimension");
        Self {
            dimensions,
            script: Arc::default(),
        }
    }

    /// The same embedder with vectors of another length, for another vectorizer. It shares pins, failures and record.
    #[must_use]
    pub fn dimensions(&self, dimensions: usize) -> Self {
        Self {
            script: Arc::clone(&self.script),
            ..Self::new(dimensions)
        }
    }

    /// `Embedders` that embed every question with this one, whatever model a vectorizer has, and look into no catalog:
    /// give them to an application that keeps [`Embedders`].
    ///
    /// ```
    /// use pgai_sea::testing::FakeEmbedder;
    ///
    /// let embedder = FakeEmbedder::new(768);
    /// embedder.pin("something to eat").near("Flour, water and salt");
    /// let embedders = embedder.embedders(); // for the application's state
    /// ```
    #[must_use]
    pub fn embedders(&self) -> Embedders {
        let embedder = self.clone();
        Embedders::pretending(move |dimensions| Arc::new(embedder.dimensions(dimensions.max(1))))
    }

    /// Decides where a text is: finish with [`Pin::near`] or [`Pin::vector`].
    #[must_use = "finish with `near` or `vector`"]
    pub fn pin(&self, text: impl Into<String>) -> Pin<'_> {
        Pin {
            embedder: self,
            text: text.into(),
        }
    }

    /// Lets the next request fail. Called again, the one after it, and so on.
    pub fn fail_next(&self, failure: Failure) -> &Self {
        self.script().failures.push_back(failure);
        self
    }

    /// Refuses each request with a text that contains `part`, as a provider refuses what it finds too long or not
    /// allowed. The worker finds the text and charges its row.
    pub fn refuse(&self, part: impl Into<String>) -> &Self {
        self.script().refused.push(part.into());
        self
    }

    /// Refuses every question (not chunk) that is not pinned, so that a test notices a question that it did not expect.
    pub fn only_pinned(&self) -> &Self {
        self.script().is_strict = true;
        self
    }

    /// What was asked until now, failed requests included.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.script().requests.clone()
    }

    /// Forgets what was asked until now.
    pub fn forget_requests(&self) {
        self.script().requests.clear();
    }

    /// The vector of a text, with length 1. Use it for embeddings that a test inserts itself.
    #[must_use]
    pub fn vector(&self, text: &str) -> Vec<f32> {
        self.script().vector(text, self.dimensions)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        // a test that panicked elsewhere
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Script {
    fn vector(&self, text: &str, dimensions: usize) -> Vec<f32> {
        let own = features::vector(text, dimensions);
        let target = match self.pins.get(text) {
            None => return own,
            Some(Pinned::Vector(vector)) => return vector.clone(),
            Some(Pinned::Text(near)) => features::vector(near, dimensions),
        };
        let between = target.iter().zip(&own).map(|(to, own)| NEAR * to + (1.0 - NEAR) * own);
        features::normalized(between.collect())
    }

    fn answer(&mut self, texts: &[&str], input_type: InputType, dimensions: usize) -> Result<Embeddings, EmbedError> {
        self.requests.push(Request {
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            input_type,
        });
        let vectors = texts.iter().map(|text| self.vector(text, dimensions)).collect();
        if let Some(failure) = self.failures.pop_front() {
            return failure.of(vectors);
        }
        for text in texts {
            if let Some(part) = self.refused.iter().find(|part| text.contains(part.as_str())) {
                return Err(refused(format!("the test refuses texts with `{part}`")));
            }
            if self.is_strict && input_type == InputType::Query && !self.pins.contains_key(*text) {
                return Err(refused(format!(
                    "the test did not expect the question `{text}`: pin it with `FakeEmbedder::pin`"
                )));
            }
        }
        Ok(vectors.into())
    }
}

#[async_trait]
impl Embedder for FakeEmbedder {
    async fn embed(&self, texts: &[&str], input_type: InputType) -> Result<Embeddings, EmbedError> {
        self.script().answer(texts, input_type, self.dimensions)
    }
}

/// A text whose place is being decided: see [`FakeEmbedder::pin`].
#[derive(Debug)]
pub struct Pin<'a> {
    embedder: &'a FakeEmbedder,
    text: String,
}

impl<'a> Pin<'a> {
    /// Puts the text beside `near`, whatever its words are. What is most like `near` is then found first.
    pub fn near(self, near: impl Into<String>) -> &'a FakeEmbedder {
        self.to(Pinned::Text(near.into()))
    }

    /// Gives the text this vector. Its length should be the embedder's.
    pub fn vector(self, vector: impl Into<Vec<f32>>) -> &'a FakeEmbedder {
        self.to(Pinned::Vector(vector.into()))
    }

    fn to(self, pinned: Pinned) -> &'a FakeEmbedder {
        self.embedder.script().pins.insert(self.text, pinned);
        self.embedder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similarity(embedder: &FakeEmbedder, a: &str, b: &str) -> f32 {
        let (a, b) = (embedder.vector(a), embedder.vector(b));
        a.iter().zip(&b).map(|(a, b)| a * b).sum()
    }

    #[tokio::test]
    async fn a_pinned_text_is_beside_the_other_and_not_on_it() {
        let embedder = FakeEmbedder::new(384);
        assert!(similarity(&embedder, "warm food", "flour and water") < 0.3);
        embedder.pin("warm food").near("flour and water");
        let near = similarity(&embedder, "warm food", "flour and water");
        assert!((0.98..0.999_999).contains(&near), "{near}");
        embedder.pin("exact").vector([0.5, 0.5]);
        assert_eq!(embedder.vector("exact"), [0.5, 0.5]);
    }

    #[tokio::test]
    async fn failures_come_in_their_order_and_are_then_over() {
        let embedder = FakeEmbedder::new(4);
        let failures = [
            Failure::RateLimited(Some(std::time::Duration::from_secs(2))),
            Failure::Down,
            Failure::Timeout,
            Failure::Unauthorized,
            Failure::Refused,
        ];
        for failure in failures.clone() {
            embedder.fail_next(failure);
        }
        let mut errors = Vec::new();
        for _ in 0..failures.len() {
            errors.push(embedder.clone().embed(&["a"], InputType::Document).await.unwrap_err());
        }
        assert_eq!(
            errors.iter().map(EmbedError::is_transient).collect::<Vec<_>>(),
            [true, true, true, false, false]
        );
        assert_eq!(errors[0].retry_after(), Some(std::time::Duration::from_secs(2)));
        assert!(embedder.embed_query("a").await.is_ok());

        embedder
            .fail_next(Failure::WrongLength)
            .fail_next(Failure::MissingVector);
        assert_eq!(
            embedder.embed(&["a"], InputType::Query).await.unwrap().vectors[0].len(),
            3
        );
        assert_eq!(
            embedder
                .embed(&["a", "b"], InputType::Query)
                .await
                .unwrap()
                .vectors
                .len(),
            1
        );
    }

    #[tokio::test]
    async fn questions_that_were_not_expected_are_refused_and_recorded() {
        let embedder = FakeEmbedder::new(4);
        embedder.only_pinned().pin("a").near("b");
        assert!(embedder.embed_query("a").await.is_ok());
        assert!(embedder.embed(&["any chunk"], InputType::Document).await.is_ok());
        let error = embedder.embed_query("other").await.unwrap_err().to_string();
        assert!(error.contains("did not expect the question `other`"), "{error}");
        let asked: Vec<_> = embedder
            .requests()
            .into_iter()
            .map(|request| request.texts.concat())
            .collect();
        assert_eq!(asked, ["a", "any chunk", "other"]);
        embedder.forget_requests();
        assert!(embedder.requests().is_empty());
    }

    #[tokio::test]
    async fn clones_of_another_length_share_the_script() {
        let embedder = FakeEmbedder::new(4);
        let other = embedder.dimensions(8);
        embedder.refuse("secret");
        assert_eq!(other.embed_query("fine").await.unwrap().len(), 8);
        assert!(other.embed_query("a secret").await.is_err());
        assert_eq!(embedder.requests().len(), 2);
    }
}

//! From a batch's texts to vectors: requests within the provider's limits, answers checked, and the one text that the provider refuses
//! found by splitting.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;
use tracing::{Instrument, debug, debug_span};

use super::trouble::Trouble;
use crate::embedder::{EmbedError, Embedder, InputType, RequestLimits};

/// So many texts are refused one by one, with none accepted before, until it is taken for the configuration's fault.
const REFUSED_IN_A_ROW: usize = 3;

/// An [`Embedder`] for one vectorizer.
#[derive(Debug)]
pub(crate) struct Requests {
    embedder: Arc<dyn Embedder>,
    vectorizer: String,
    model: String,
    dimensions: usize,
    /// As many requests at once as `concurrency` allows.
    permits: Semaphore,
    /// Whether a vector of the right length was ever seen: if so, a wrong one is the text's fault.
    worked: AtomicBool,
}

/// What became of a batch's texts, in their order.
#[derive(Debug)]
pub(crate) struct Embedded {
    /// `None` where there is no vector: the text was refused, or not sent because of the trouble.
    pub(crate) vectors: Vec<Option<Vec<f32>>>,
    /// Why a text has no vector and will not get one.
    pub(crate) refusals: Vec<Option<String>>,
    /// What stopped the others.
    pub(crate) trouble: Option<Trouble>,
    pub(crate) requests: u64,
    /// Texts that were embedded.
    pub(crate) texts: u64,
}

impl Requests {
    pub(crate) fn new(
        embedder: Arc<dyn Embedder>,
        vectorizer: &str,
        model: &str,
        dimensions: usize,
        concurrency: usize,
    ) -> Self {
        Self {
            embedder,
            vectorizer: vectorizer.to_owned(),
            model: model.to_owned(),
            dimensions,
            permits: Semaphore::new(concurrency),
            worked: AtomicBool::new(false),
        }
    }

    /// Embeds the texts that `vectors` has no vector for yet.
    pub(crate) async fn embed(&self, texts: &[String], vectors: Vec<Option<Vec<f32>>>) -> Embedded {
        let missing: Vec<usize> = (0..texts.len()).filter(|&text| vectors[text].is_none()).collect();
        let mut embedded = Embedded {
            vectors,
            refusals: vec![None; texts.len()],
            trouble: None,
            requests: 0,
            texts: 0,
        };
        // Requests still to be made, the last one first: ranges of `missing`.
        let mut todo = requests(&missing, texts, self.embedder.limits());
        let mut refused = 0;
        let mut unusable = None;
        while let Some(range) = todo.pop() {
            let asked: Vec<String> = missing[range.clone()].iter().map(|&text| texts[text].clone()).collect();
            embedded.requests += 1;
            match self.request(&asked).await {
                Ok(answers) => {
                    for (&text, answer) in missing[range].iter().zip(answers) {
                        match answer {
                            Ok(vector) => {
                                embedded.texts += 1;
                                embedded.vectors[text] = Some(vector);
                            }
                            Err(reason) => embedded.refusals[text] = Some(reason),
                        }
                    }
                }
                Err(Answer::Trouble(trouble)) => {
                    embedded.trouble = Some(trouble);
                    break;
                }
                Err(Answer::Refused(_) | Answer::Unusable(_)) if range.len() > 1 => {
                    let middle = range.start + range.len() / 2;
                    debug!(texts = range.len(), "refused, splitting to find the text");
                    todo.push(middle..range.end);
                    todo.push(range.start..middle);
                }
                Err(Answer::Refused(error) | Answer::Unusable(error)) if self.gives_up(&mut refused) => {
                    embedded.trouble = Some(Trouble::Configuration(error));
                    break;
                }
                Err(Answer::Refused(error)) => embedded.refusals[missing[range.start]] = Some(error),
                Err(Answer::Unusable(error)) => {
                    embedded.refusals[missing[range.start]] = Some(error.clone());
                    unusable = Some(error);
                }
            }
        }
        if !self.worked.load(Ordering::Relaxed) {
            let unusable = unusable.map(Trouble::Configuration);
            embedded.trouble = embedded.trouble.or(unusable);
            if matches!(embedded.trouble, Some(Trouble::Configuration(_))) {
                embedded.refusals.fill(None);
            }
        }
        embedded
    }

    /// Whether it is not the texts: one after the other is refused, and none was ever embedded.
    fn gives_up(&self, refused: &mut usize) -> bool {
        *refused += 1;
        *refused >= REFUSED_IN_A_ROW && !self.worked.load(Ordering::Relaxed)
    }

    async fn request(&self, texts: &[String]) -> Result<Vec<Result<Vec<f32>, String>>, Answer> {
        let span = debug_span!(
            "embed",
            vectorizer = self.vectorizer,
            model = self.model,
            texts = texts.len()
        );
        let answer = async {
            // never closed
            let _permit = self.permits.acquire().await;
            self.embedder.embed(texts, InputType::Document).await
        };
        let vectors = answer.instrument(span).await.map_err(Answer::from)?;
        if vectors.len() != texts.len() {
            return Err(Answer::Unusable(format!(
                "vectorizer {}: {} gave {} vectors for {} texts",
                self.vectorizer,
                self.model,
                vectors.len(),
                texts.len()
            )));
        }
        let checked: Vec<_> = vectors.into_iter().map(|vector| self.check(vector)).collect();
        if checked.iter().any(Result::is_ok) {
            self.worked.store(true, Ordering::Relaxed);
        } else if !self.worked.load(Ordering::Relaxed)
            && let Some(Err(reason)) = checked.first()
        {
            return Err(Answer::Trouble(Trouble::Configuration(reason.clone())));
        }
        Ok(checked)
    }

    fn check(&self, vector: Vec<f32>) -> Result<Vec<f32>, String> {
        let (vectorizer, model, dimensions) = (&self.vectorizer, &self.model, self.dimensions);
        if vector.len() != dimensions {
            return Err(format!(
                "vectorizer {vectorizer} is configured for {dimensions} dimensions, {model} gave a vector of {}; \
                 make the vectorizer's dimensions and the model agree",
                vector.len()
            ));
        }
        match vector.iter().position(|number| !number.is_finite()) {
            Some(at) => Err(format!(
                "vectorizer {vectorizer}: {model} gave a vector whose element {at} is {}",
                vector[at]
            )),
            None => Ok(vector),
        }
    }
}

/// Why a request gave no vectors.
#[derive(Debug)]
enum Answer {
    /// Because of a text.
    Refused(String),
    /// The answer is none; whether for a text's sake shows if others are answered.
    Unusable(String),
    /// Whatever the texts.
    Trouble(Trouble),
}

impl From<EmbedError> for Answer {
    fn from(error: EmbedError) -> Self {
        match error {
            EmbedError::Refused { .. } => Self::Refused(describe(&error)),
            EmbedError::Answer { .. } => Self::Unusable(describe(&error)),
            _ if error.is_transient() => Self::Trouble(Trouble::Provider {
                message: describe(&error),
                retry_after: error.retry_after(),
            }),
            _ => Self::Trouble(Trouble::Configuration(describe(&error))),
        }
    }
}

/// An error with its sources.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Cuts to the limits; the last request first.
fn requests(missing: &[usize], texts: &[String], limits: RequestLimits) -> Vec<Range<usize>> {
    let mut requests = Vec::new();
    let mut start = 0;
    let mut tokens = 0;
    for (place, &text) in missing.iter().enumerate() {
        let more = texts[text].len().div_ceil(4);
        let is_full = place - start >= limits.inputs || limits.tokens.is_some_and(|most| tokens + more > most);
        if is_full && place > start {
            requests.push(start..place);
            start = place;
            tokens = 0;
        }
        tokens += more;
    }
    if start < missing.len() {
        requests.push(start..missing.len());
    }
    requests.reverse();
    requests
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    /// Refuses texts that contain `bad`, gives wrong vectors for some others.
    #[derive(Debug)]
    struct Picky;

    #[async_trait]
    impl Embedder for Picky {
        async fn embed(&self, texts: &[String], _: InputType) -> Result<Vec<Vec<f32>>, EmbedError> {
            assert!(texts.len() <= 4);
            if texts.iter().any(|text| text.contains("bad")) {
                return Err(EmbedError::Refused {
                    provider: "picky",
                    status: 400,
                    message: "no".into(),
                });
            }
            Ok(texts
                .iter()
                .map(|text| match text.as_str() {
                    "nan" => vec![f32::NAN, 0.0],
                    "long" => vec![0.0; 3],
                    _ => vec![1.0, 2.0],
                })
                .collect())
        }

        fn limits(&self) -> RequestLimits {
            RequestLimits::inputs(4).tokens(100)
        }
    }

    async fn embed(texts: &[&str]) -> Embedded {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let requests = Requests::new(Arc::new(Picky), "v", "m", 2, 1);
        let known = vec![None; texts.len()];
        requests.embed(&texts, known).await
    }

    #[tokio::test]
    async fn the_refused_text_is_found() {
        let embedded = embed(&["a", "b", "c", "bad", "d", "e", "nan", "long"]).await;
        let refused: Vec<usize> = (0..8).filter(|&text| embedded.refusals[text].is_some()).collect();
        assert_eq!(refused, [3, 6, 7]);
        assert!((0..8).all(|text| embedded.vectors[text].is_some() != embedded.refusals[text].is_some()));
        assert!(embedded.trouble.is_none());
        let wrong = embedded.refusals[7].as_deref().unwrap();
        assert!(
            wrong.contains("2 dimensions") && wrong.contains("vector of 3"),
            "{wrong}"
        );
    }

    #[tokio::test]
    async fn where_nothing_ever_worked_the_texts_are_not_blamed() {
        for texts in [["long", "long"].as_slice(), &["bad 1", "bad 2", "bad 3", "bad 4"]] {
            let embedded = embed(texts).await;
            assert!(
                matches!(embedded.trouble, Some(Trouble::Configuration(_))),
                "{embedded:?}"
            );
            assert!(embedded.refusals.iter().all(Option::is_none));
        }
    }

    #[test]
    fn requests_are_cut_to_the_limits() {
        let texts: Vec<String> = ["x".repeat(200), "y".repeat(204), "z".repeat(1000)].into();
        let limits = RequestLimits::inputs(10).tokens(100);
        // one text may exceed the limit by itself; that is for the provider to say
        assert_eq!(requests(&[0, 1, 2], &texts, limits), [2..3, 1..2, 0..1]);
        assert_eq!(requests(&[0, 1, 2], &texts, RequestLimits::inputs(2)), [2..3, 0..2]);
        assert!(requests(&[], &texts, limits).is_empty());
    }
}

//! From a batch's texts to vectors: requests within the provider's limits, answers checked, and the one text that the provider refuses
//! found by splitting.

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tracing::{Instrument, debug};

use super::budget::Meter;
use super::telemetry::{Telemetry, error_type};
use super::trouble::Trouble;
use crate::embedder::{EmbedError, Embedder, InputType, observed};

/// So many texts are refused one by one, with none accepted before, until it is taken for the configuration's fault.
const REFUSED_IN_A_ROW: usize = 3;

/// The most bytes of texts in one request, if it has more than one: proxies in front of servers refuse what is larger (nginx does), some
/// by hanging up, which cannot be told from a server that is down.
const MOST_BYTES: usize = 1_000_000;

/// A provider that wants to be left alone for longer is asked again after this.
const LONGEST_SILENCE: Duration = Duration::from_hours(1);

/// An [`Embedder`] for one vectorizer.
#[derive(Debug)]
pub(crate) struct Requests {
    embedder: Arc<dyn Embedder>,
    vectorizer: String,
    model: String,
    dimensions: usize,
    telemetry: Telemetry,
    /// As many requests at once as `concurrency` allows.
    permits: Semaphore,
    /// What the provider may be asked in a minute, if that is bounded.
    budget: Option<Arc<Meter>>,
    /// Until when the provider wants to be left alone, and what it said.
    silence: Mutex<Option<(Instant, String)>>,
    /// Turns true, or is dropped, when nobody should wait for the budget any more.
    stop: watch::Receiver<bool>,
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
    /// The tokens that the provider counted, if it says.
    pub(crate) tokens: Option<u64>,
}

impl Requests {
    pub(crate) fn new(
        embedder: Arc<dyn Embedder>,
        vectorizer: &str,
        provider: &str,
        model: &str,
        dimensions: usize,
        concurrency: usize,
        (budget, stop): (Option<Arc<Meter>>, watch::Receiver<bool>),
    ) -> Self {
        Self {
            embedder,
            telemetry: Telemetry::new(vectorizer, provider, model, dimensions),
            vectorizer: vectorizer.to_owned(),
            model: model.to_owned(),
            dimensions,
            permits: Semaphore::new(concurrency),
            budget,
            silence: Mutex::default(),
            stop,
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
            tokens: None,
        };
        // Requests still to be made, the last one first: ranges of `missing`.
        let mut todo = requests(
            &missing,
            texts,
            &*self.embedder,
            self.budget.as_ref().and_then(|budget| budget.tokens()),
        );
        let mut refused = 0;
        let mut unusable = None;
        while let Some(range) = todo.pop() {
            let asked: Vec<String> = missing[range.clone()].iter().map(|&text| texts[text].clone()).collect();
            if !self.is_within_budget(&asked).await {
                break;
            }
            embedded.requests += 1;
            match self.request(&asked, &mut embedded.tokens).await {
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

    /// Waits for the budget; false if the worker is stopped before its time has come.
    async fn is_within_budget(&self, texts: &[String]) -> bool {
        let Some(budget) = &self.budget else {
            return true;
        };
        let tokens = match budget.tokens() {
            Some(_) => texts.iter().map(|text| self.embedder.count_tokens(text) as u64).sum(),
            None => 0,
        };
        let mut stop = self.stop.clone();
        tokio::select! {
            () = budget.spend(tokens) => true,
            _ = stop.wait_for(|stopped| *stopped) => false,
        }
    }

    /// Whether it is not the texts: one after the other is refused, and none was ever embedded.
    fn gives_up(&self, refused: &mut usize) -> bool {
        *refused += 1;
        *refused >= REFUSED_IN_A_ROW && !self.worked.load(Ordering::Relaxed)
    }

    /// One request; adds the tokens that it took.
    async fn request(
        &self,
        texts: &[String],
        tokens: &mut Option<u64>,
    ) -> Result<Vec<Result<Vec<f32>, String>>, Answer> {
        // never closed
        let _permit = self.permits.acquire().await;
        self.keep_silence()?;
        let span = self.telemetry.span(texts.len());
        let started = Instant::now();
        let request = self.embedder.embed(texts, InputType::Document);
        let (answer, call) = observed(request.instrument(span.clone())).await;
        let error = answer.as_ref().err().map(error_type);
        self.telemetry.ended(&span, started.elapsed(), &call, error.as_deref());
        if let Some(more) = call.input_tokens {
            *tokens = Some(tokens.unwrap_or_default() + more);
        }
        let vectors = answer.map_err(|error| self.heed(Answer::from(error)))?;
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

    /// An error while the provider has asked to wait (`Retry-After`): a batch may have been claimed before another one was told.
    fn keep_silence(&self) -> Result<(), Answer> {
        let silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        match &*silence {
            Some((until, message)) if *until > Instant::now() => Err(Answer::Trouble(Trouble::Provider {
                message: message.clone(),
                retry_after: Some(*until - Instant::now()),
            })),
            _ => Ok(()),
        }
    }

    /// Remembers how long the provider asked to wait.
    fn heed(&self, answer: Answer) -> Answer {
        if let Answer::Trouble(Trouble::Provider {
            message,
            retry_after: Some(wait),
        }) = &answer
        {
            let until = Instant::now() + *wait;
            *self.silence.lock().unwrap_or_else(PoisonError::into_inner) = Some((until, message.clone()));
        }
        answer
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
                retry_after: error.retry_after().map(|wait| wait.min(LONGEST_SILENCE)),
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

/// Cuts to the limits and to the tokens of a budget; the last request first.
fn requests(missing: &[usize], texts: &[String], embedder: &dyn Embedder, budget: Option<u64>) -> Vec<Range<usize>> {
    let limits = embedder.limits();
    let budget = budget.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX));
    let most = limits.tokens.into_iter().chain(budget).min();
    // No token is shorter than a byte: most batches need no counting.
    let bytes: usize = missing.iter().map(|&text| texts[text].len()).sum();
    let most = most.filter(|&most| bytes > most);
    let mut requests = Vec::new();
    let mut start = 0;
    let (mut tokens, mut bytes) = (0, 0);
    for (place, &text) in missing.iter().enumerate() {
        let text = &texts[text];
        let more = most.map_or(0, |_| embedder.count_tokens(text));
        let is_full = place - start >= limits.inputs
            || bytes + text.len() > MOST_BYTES
            || most.is_some_and(|most| tokens + more > most);
        if is_full && place > start {
            requests.push(start..place);
            start = place;
            (tokens, bytes) = (0, 0);
        }
        tokens += more;
        bytes += text.len();
    }
    if start < missing.len() {
        requests.push(start..missing.len());
    }
    requests.reverse();
    requests
}

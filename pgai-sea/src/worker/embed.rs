//! From a batch's texts to vectors: requests within the provider's limits, answers checked, and the one text that the provider refuses
//! found by splitting.

mod answer;
mod cut;
mod portion;
mod round;
mod suspects;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;
use tracing::Instrument;

use self::answer::Answer;
use self::portion::Portion;
use self::round::Round;
use self::suspects::Suspects;

use super::batch::stop_reason::StopReason as Trouble;
use super::budget::Meter;
use super::panics::caught;
use super::telemetry::{Telemetry, error_type};
use crate::embedder::{EmbedError, Embedder, InputType, observed};

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
    /// Whether a vector of the right length was ever seen: if so, answers that are none will pass.
    worked: AtomicBool,
    /// How large requests are.
    portion: Portion,
    suspects: Suspects,
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
            portion: Portion::default(),
            suspects: Suspects::default(),
        }
    }

    /// Embeds the texts that `vectors` has no vector for yet.
    pub(crate) async fn embed(&self, texts: &[String], vectors: Vec<Option<Vec<f32>>>) -> Embedded {
        Round::new(self, texts, vectors).run().await
    }

    /// Whether it ever gave a vector as it should be.
    fn has_worked(&self) -> bool {
        self.worked.load(Ordering::Relaxed)
    }

    /// One request; adds what it took.
    async fn ask(&self, texts: &[String], embedded: &mut Embedded) -> Result<Vec<Result<Vec<f32>, String>>, Answer> {
        let _permit = self.turn(embedded.requests > 0).await?;
        self.keep_silence()?;
        if let Some(budget) = &self.budget {
            // last of all, since the request has to follow at once: its minute begins now
            self.spend(budget, texts).await?;
            self.keep_silence()?;
        }
        embedded.requests += 1;
        let span = self.telemetry.span(texts.len());
        let started = Instant::now();
        let request = async {
            let answer = caught(async { self.embedder.embed(texts, InputType::Document).await }).await;
            answer.unwrap_or_else(|said| {
                Err(EmbedError::Failed {
                    provider: "the embedder",
                    source: said.into(),
                })
            })
        };
        let (answer, call) = observed(request.instrument(span.clone())).await;
        let error = answer.as_ref().err().map(error_type);
        self.telemetry.ended(&span, started.elapsed(), &call, error.as_deref());
        if let Some(more) = call.input_tokens {
            embedded.tokens = Some(embedded.tokens.unwrap_or_default() + more);
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
        }
        Ok(checked)
    }

    /// Waits for others' requests; with a batch that has not begun for no longer than the worker runs.
    async fn turn(&self, has_begun: bool) -> Result<SemaphorePermit<'_>, Answer> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped), if !has_begun => Err(Answer::Stopped),
            // never closed
            permit = self.permits.acquire() => permit.map_err(|_| Answer::Stopped),
        }
    }

    /// Waits for the budget, but not for longer than the worker runs.
    async fn spend(&self, budget: &Meter, texts: &[String]) -> Result<(), Answer> {
        let tokens = match budget.tokens() {
            Some(_) => texts.iter().map(|text| self.embedder.count_tokens(text) as u64).sum(),
            None => 0,
        };
        let mut stop = self.stop.clone();
        tokio::select! {
            () = budget.spend(tokens) => Ok(()),
            _ = stop.wait_for(|stopped| *stopped) => Err(Answer::Stopped),
        }
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
        if let Answer::Unavailable {
            message,
            retry_after: Some(wait),
            ..
        } = &answer
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

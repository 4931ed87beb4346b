//! One request for one vectorizer: concurrency, budget, waiting when the provider asks to, checking the vectors.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{Instrument, info};

use super::budget::{Meter, NotSpent};
use super::failure::RequestFailure;
use super::telemetry::{Telemetry, error_type};
use crate::config::Embedding;
use crate::embedder::{EmbedError, Embedder, InputType};
use crate::pgvector::{Dimensions, check_vector};
use crate::worker::batch::stop_reason::StopReason;
use crate::worker::connection::{Database, Stopping};
use crate::worker::panics::caught;

/// An [`Embedder`] for one vectorizer.
#[derive(Debug)]
pub(crate) struct Provider {
    embedder: Arc<dyn Embedder>,
    vectorizer: String,
    model: String,
    dimensions: Dimensions,
    telemetry: Telemetry,
    /// As many requests at the same time as `concurrency` allows.
    permits: Semaphore,
    /// What the provider may be asked, if that is limited.
    budget: Option<Arc<Meter>>,
    /// Where all workers count together what they ask.
    catalog: Option<Database>,
    /// Whether it embeds all rows anew.
    is_backfill: Arc<AtomicBool>,
    /// Until when the provider asked to wait, and what it said.
    silence: Mutex<Option<(Instant, String)>>,
    /// Turns true, or is dropped, when nobody should wait for the budget any more.
    stop: watch::Receiver<bool>,
    /// When the worker was told to stop, if it can be told.
    stopping: Option<Stopping>,
    /// Whether a vector of the right length was ever seen.
    has_worked: AtomicBool,
}

/// A request in hand is waited for so long when the worker stops.
const GRACE: Duration = Duration::from_secs(4);

/// Ends when the worker was told to stop so long ago that it waits for no provider any more.
async fn stopped(stopping: Option<Stopping>) {
    if let Some(mut stopping) = stopping
        && let Ok(Some(since)) = stopping.wait_for(Option::is_some).await.map(|since| *since)
    {
        sleep_until(since + GRACE).await;
    } else {
        std::future::pending::<()>().await;
    }
}

/// What requests took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) requests: u64,
    /// The tokens that the provider counted. `None` if it does not say.
    pub(super) tokens: Option<u64>,
}

/// A text's vector, or why the vector is unusable.
pub(super) type Checked = Result<Vec<f32>, String>;

impl Provider {
    pub(crate) fn new(
        embedder: Arc<dyn Embedder>,
        vectorizer: &str,
        config: &Embedding,
        dimensions: Dimensions,
        concurrency: usize,
        (budget, stop): (Option<Arc<Meter>>, watch::Receiver<bool>),
    ) -> Self {
        Self {
            telemetry: Telemetry::new(vectorizer, config, dimensions, embedder.server()),
            embedder,
            vectorizer: vectorizer.to_owned(),
            model: config.model().to_owned(),
            dimensions,
            permits: Semaphore::new(concurrency),
            budget,
            catalog: None,
            is_backfill: Arc::default(),
            silence: Mutex::default(),
            stop,
            stopping: None,
            has_worked: AtomicBool::new(false),
        }
    }

    /// Waits for no request for long once the worker was told to stop.
    #[must_use]
    pub(crate) fn until(mut self, stopping: Stopping) -> Self {
        self.stopping = Some(stopping);
        self
    }

    /// Leaves others their part of the budget while `is_backfill` is set.
    #[must_use]
    pub(crate) fn yielding(mut self, is_backfill: Arc<AtomicBool>) -> Self {
        self.is_backfill = is_backfill;
        self
    }

    /// Counts together with other workers what it asks.
    #[must_use]
    pub(crate) fn counting_in(mut self, catalog: Option<Database>) -> Self {
        self.catalog = catalog;
        self
    }

    pub(super) fn embedder(&self) -> &dyn Embedder {
        &*self.embedder
    }

    /// The most tokens of a request by the budget.
    pub(super) fn most_tokens(&self) -> Option<u64> {
        self.budget.as_ref().and_then(|budget| budget.tokens())
    }

    /// Whether it ever gave a usable vector.
    pub(super) fn has_worked(&self) -> bool {
        self.has_worked.load(Ordering::Relaxed)
    }

    /// Makes one request, and adds what it took.
    pub(super) async fn ask(&self, texts: &[&str], usage: &mut Usage) -> Result<Vec<Checked>, RequestFailure> {
        let _permit = self.permit(usage.requests > 0).await?;
        self.check_silence()?;
        if let Some(budget) = &self.budget {
            // last, because the request has to follow at once: its minute begins now
            self.spend(budget, texts).await?;
            self.check_silence()?;
        }
        usage.requests += 1;
        let span = self.telemetry.span(texts.len());
        let started = Instant::now();
        let request = async {
            let result = caught(async { self.embedder.embed(texts, InputType::Document).await }).await;
            result.unwrap_or_else(|panic| {
                Err(EmbedError::Failed {
                    provider: "the embedder",
                    source: panic.into(),
                })
            })
        };
        let result = tokio::select! {
            result = request.instrument(span.clone()) => result,
            () = stopped(self.stopping.clone()) => return Err(RequestFailure::Stopping),
        };
        let tokens = result.as_ref().ok().and_then(|embeddings| embeddings.input_tokens);
        let error = result.as_ref().err().map(error_type);
        self.telemetry.ended(&span, started.elapsed(), tokens, error.as_deref());
        if let Some(more) = tokens {
            usage.tokens = Some(usage.tokens.unwrap_or_default().saturating_add(more));
        }
        let vectors = match result {
            Ok(embeddings) => embeddings.vectors,
            Err(error) => return Err(self.failed(error)),
        };
        if vectors.len() != texts.len() {
            return Err(RequestFailure::Unusable(format!(
                "vectorizer {}: {} gave {} vectors for {} texts",
                self.vectorizer,
                self.model,
                vectors.len(),
                texts.len()
            )));
        }
        let checked: Vec<_> = vectors.into_iter().map(|vector| self.check(vector)).collect();
        if checked.iter().any(Result::is_ok) {
            self.has_worked.store(true, Ordering::Relaxed);
        }
        Ok(checked)
    }

    /// Waits for a free place among the concurrent requests. A batch that has not made a request yet stops waiting when
    /// the worker stops.
    async fn permit(&self, has_begun: bool) -> Result<SemaphorePermit<'_>, RequestFailure> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped), if !has_begun => Err(RequestFailure::Stopping),
            // never closed
            permit = self.permits.acquire() => permit.map_err(|_| RequestFailure::Stopping),
        }
    }

    /// Waits for the budget. Stops waiting when the worker stops.
    async fn spend(&self, budget: &Meter, texts: &[&str]) -> Result<(), RequestFailure> {
        let tokens = match budget.tokens() {
            Some(_) => texts.iter().map(|text| self.embedder.count_tokens(text) as u64).sum(),
            None => 0,
        };
        let mut stop = self.stop.clone();
        let is_backfill = self.is_backfill.load(Ordering::Relaxed);
        tokio::select! {
            spent = budget.spend(tokens, is_backfill, self.catalog.as_ref()) => spent.map_err(|error| {
                RequestFailure::Stop(match error {
                    NotSpent::Day { message, wait } => StopReason::Spent { message, wait },
                    NotSpent::Database(error) => StopReason::from(error),
                })
            }),
            _ = stop.wait_for(|stopped| *stopped) => Err(RequestFailure::Stopping),
        }
    }

    /// Fails while the provider has asked to wait (`Retry-After`): another batch may have been told so since this one
    /// was claimed.
    fn check_silence(&self) -> Result<(), RequestFailure> {
        let silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        match &*silence {
            Some((until, message)) if *until > Instant::now() => Err(RequestFailure::Stop(StopReason::Provider {
                message: message.clone(),
                retry_after: Some(*until - Instant::now()),
            })),
            _ => Ok(()),
        }
    }

    /// What the error means. Remembers how long the provider asked to wait.
    fn failed(&self, error: EmbedError) -> RequestFailure {
        let asked = error.retry_after();
        let failure = RequestFailure::from(error);
        if let RequestFailure::Unavailable {
            message,
            retry_after: Some(wait),
            ..
        } = &failure
        {
            info!(vectorizer = self.vectorizer, ?asked, waits = ?wait, "the provider asks to wait: {message}");
            let until = Instant::now() + *wait;
            *self.silence.lock().unwrap_or_else(PoisonError::into_inner) = Some((until, message.clone()));
        }
        failure
    }

    fn check(&self, vector: Vec<f32>) -> Checked {
        match check_vector(&vector, self.dimensions.get()) {
            Ok(()) => Ok(vector),
            Err(fault) => Err(format!("vectorizer {}: {} gave {fault}", self.vectorizer, self.model)),
        }
    }
}

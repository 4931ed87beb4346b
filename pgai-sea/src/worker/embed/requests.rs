//! The requests of one batch, and which text is at fault if one fails.
//!
//! A text that the provider refuses is found by splitting the request, and so is a text on which the provider breaks.
//! No text is refused before the provider has embedded another one: one of the batch, or a harmless one. If it embeds
//! none, the texts are not at fault.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;
use tracing::{debug, info};

use super::batching::divide;
use super::failure::RequestFailure;
use super::provider::{Checked, Provider, Usage};
use super::quarantine::{FAILURES, Quarantine};
use super::request_size::RequestSize;
use crate::worker::batch::stop_reason::StopReason;

/// A text that every working provider embeds.
const HARMLESS: &str = "hello world";
/// After so many failures in a row a provider that has answered nothing in this batch counts as down.
const DOWN: u32 = 2;
/// After so many, if it has answered before: both halves of what failed may fail one after the other.
const DOWN_AFTER_SUCCESS: u32 = 3;

/// Embeds the batches of one vectorizer.
#[derive(Debug)]
pub(crate) struct Requests {
    provider: Provider,
    size: RequestSize,
    /// The most texts of a request that the provider has been seen to take, once it refused more.
    most: AtomicUsize,
    quarantine: Quarantine,
}

/// What became of a batch's texts, in their order.
#[derive(Debug)]
pub(crate) struct Embedded {
    /// `None` if there is no vector: the text was refused, or it was not sent.
    pub(crate) vectors: Vec<Option<Vec<f32>>>,
    /// Why a text was refused and will get no vector.
    pub(crate) refusals: Vec<Option<String>>,
    /// What stopped the other texts.
    pub(crate) stop_reason: Option<StopReason>,
    pub(crate) requests: u64,
    /// Texts that were embedded.
    pub(crate) texts: u64,
    /// The tokens that the provider counted, if it says.
    pub(crate) tokens: Option<u64>,
}

impl Requests {
    pub(crate) fn new(provider: Provider) -> Self {
        Self {
            provider,
            size: RequestSize::default(),
            most: AtomicUsize::new(usize::MAX),
            quarantine: Quarantine::default(),
        }
    }

    /// Embeds the texts that have no vector in `vectors` yet.
    pub(crate) async fn embed(&self, texts: &[String], vectors: Vec<Option<Vec<f32>>>) -> Embedded {
        BatchRequests::new(self, texts, vectors).run().await
    }
}

/// The requests of one batch.
#[derive(Debug)]
struct BatchRequests<'r> {
    requests: &'r Requests,
    texts: &'r [String],
    /// The texts without a vector, those in quarantine last.
    missing: Vec<usize>,
    /// How many of them are not in quarantine.
    others: usize,
    /// The requests that are still to be made: ranges of `missing`.
    pending: VecDeque<Range<usize>>,
    /// The number of texts in the longest of them.
    longest: usize,
    /// Requests of several texts that were refused.
    refused: Vec<Range<usize>>,
    /// The largest request that succeeded after one was refused.
    taken: usize,
    /// Whether the provider has embedded a text.
    has_answered: bool,
    has_probed: bool,
    /// Texts that were refused or got no usable vector, and why.
    failed: Vec<(usize, String)>,
    /// Whether one of these got a response.
    is_unusable: bool,
    /// Texts that were sent alone to a provider that seemed down, and what it said.
    failed_alone: Vec<(usize, String)>,
    /// Requests in a row to a provider that seemed down.
    failures: u32,
    usage: Usage,
    embedded: u64,
    vectors: Vec<Option<Vec<f32>>>,
    refusals: Vec<Option<String>>,
    stop_reason: Option<StopReason>,
}

impl<'r> BatchRequests<'r> {
    fn new(requests: &'r Requests, texts: &'r [String], vectors: Vec<Option<Vec<f32>>>) -> Self {
        let mut missing: Vec<usize> = (0..texts.len()).filter(|&text| vectors[text].is_none()).collect();
        let others = requests.quarantine.move_last(&mut missing, texts);
        let provider = &requests.provider;
        let mut pending = divide(&missing[..others], texts, provider.embedder(), provider.most_tokens());
        pending.extend((others..missing.len()).map(|place| place..place + 1));
        Self {
            requests,
            texts,
            others,
            missing,
            longest: pending.iter().map(Range::len).max().unwrap_or_default(),
            pending,
            refused: Vec::new(),
            taken: 0,
            has_answered: false,
            has_probed: false,
            failed: Vec::new(),
            is_unusable: false,
            failed_alone: Vec::new(),
            failures: 0,
            usage: Usage::default(),
            embedded: 0,
            vectors,
            refusals: vec![None; texts.len()],
            stop_reason: None,
        }
    }

    async fn run(mut self) -> Embedded {
        let mut goes_on = true;
        while goes_on && let Some((range, divisor)) = self.next() {
            goes_on = self.request(range, divisor).await;
            if !self.has_answered && self.failed.len() > 1 {
                goes_on &= self.embeds_harmless().await;
            }
        }
        self.refuse_failed().await;
        self.refuse_failed_alone().await;
        Embedded {
            vectors: self.vectors,
            refusals: self.refusals,
            stop_reason: self.stop_reason,
            requests: self.usage.requests,
            texts: self.embedded,
            tokens: self.usage.tokens,
        }
    }

    /// The next request, and how many times smaller than the limits allow it has to be.
    fn next(&mut self) -> Option<(Range<usize>, usize)> {
        let range = self.pending.pop_front()?;
        let divisor = self.requests.size.divisor();
        let most = self.requests.most.load(Ordering::Relaxed);
        let end = range.end.min(range.start + (self.longest / divisor).clamp(1, most));
        if end < range.end {
            self.pending.push_front(end..range.end);
        }
        Some((range.start..end, divisor))
    }

    /// Makes a request. Returns whether to go on.
    async fn request(&mut self, range: Range<usize>, divisor: usize) -> bool {
        let started = Instant::now();
        let texts = self.missing[range.clone()]
            .iter()
            .map(|&text| self.texts[text].as_str());
        let texts: Vec<&str> = texts.collect();
        match self.requests.provider.ask(&texts, &mut self.usage).await {
            Ok(vectors) => {
                self.failures = 0;
                self.requests.size.succeeded(divisor);
                self.take(range.clone(), vectors);
                self.learn(&range);
            }
            Err(RequestFailure::Refused(_) | RequestFailure::Unusable(_)) if range.len() > 1 => {
                self.failures = 0;
                let middle = range.start + range.len() / 2;
                debug!(
                    texts = range.len(),
                    "the request was refused: splitting it to find the text"
                );
                self.refused.push(range.clone());
                self.pending.push_front(middle..range.end);
                self.pending.push_front(range.start..middle);
            }
            Err(RequestFailure::Refused(error)) => {
                self.failures = 0;
                self.failed.push((self.missing[range.start], error));
            }
            Err(RequestFailure::Unusable(error)) => {
                self.failures = 0;
                self.is_unusable = true;
                self.failed.push((self.missing[range.start], error));
            }
            Err(RequestFailure::Unavailable {
                message,
                retry_after,
                is_rate,
                has_answered,
            }) => {
                if range.len() > 1 || !self.has_answered {
                    let size = &self.requests.size;
                    size.failed(divisor, range.len(), started, is_rate);
                }
                if is_rate || retry_after.is_some() {
                    self.stop_reason = Some(StopReason::Provider { message, retry_after });
                    return false;
                }
                return self.seems_down(range, message, has_answered).await;
            }
            Err(RequestFailure::Stop(reason)) => {
                self.stop_reason = Some(reason);
                return false;
            }
            Err(RequestFailure::Stopping) => return false,
        }
        true
    }

    /// A request succeeded. If all texts of one that was refused are embedded by now, no text was the reason, but their
    /// number: larger requests are not made again.
    fn learn(&mut self, range: &Range<usize>) {
        if self.refused.is_empty() {
            return;
        }
        self.taken = self.taken.max(range.len());
        let (missing, vectors) = (&self.missing, &self.vectors);
        let is_embedded = |refused: &Range<usize>| missing[refused.clone()].iter().all(|&text| vectors[text].is_some());
        let Some(place) = self.refused.iter().position(is_embedded) else {
            return;
        };
        let refused = self.refused.swap_remove(place);
        let most = self.taken.clamp(1, refused.len() - 1);
        if self.requests.most.fetch_min(most, Ordering::Relaxed) > most {
            info!(
                texts = most,
                refused = refused.len(),
                "the provider refuses larger requests of texts that it embeds: they are not made again"
            );
        }
    }

    /// Takes the vectors of a request.
    fn take(&mut self, range: Range<usize>, vectors: Vec<Checked>) {
        for (&text, vector) in self.missing[range].iter().zip(vectors) {
            match vector {
                Ok(vector) => {
                    self.has_answered = true;
                    self.embedded += 1;
                    self.vectors[text] = Some(vector);
                    if self.others < self.missing.len() {
                        self.requests.quarantine.release(&self.texts[text]);
                    }
                }
                Err(reason) => {
                    self.is_unusable = true;
                    self.failed.push((text, reason));
                }
            }
        }
    }

    /// The provider seems to be down. Returns whether to go on. If it embeds other texts, one of this request may be
    /// the reason: that one is looked for after the rest of the batch.
    async fn seems_down(&mut self, range: Range<usize>, message: String, has_answered: bool) -> bool {
        self.failures += 1;
        let is_alone = range.len() == 1;
        let mut is_down = match (self.has_answered, is_alone) {
            (true, _) => self.failures >= DOWN_AFTER_SUCCESS,
            (false, true) => self.failures >= DOWN,
            (false, false) => true,
        };
        // A server that answers may break on texts of which there are many. It is down if it breaks on any.
        if is_down && has_answered && self.probe().await.is_ok() {
            (is_down, self.has_answered, self.failures) = (false, true, 0);
        }
        if is_alone {
            self.failed_alone.push((self.missing[range.start], message));
        } else if is_down {
            self.stop_reason = Some(provider(message));
        } else {
            let middle = range.start + range.len() / 2;
            debug!(
                texts = range.len(),
                "the request failed and others succeeded: splitting it to find the text"
            );
            self.pending.extend([range.start..middle, middle..range.end]);
        }
        !is_down
    }

    /// Sends the harmless text.
    async fn probe(&mut self) -> Result<(), RequestFailure> {
        self.has_probed = true;
        let vectors = self.requests.provider.ask(&[HARMLESS], &mut self.usage).await?;
        match vectors.into_iter().next() {
            Some(Err(reason)) => Err(RequestFailure::Unusable(reason)),
            _ => Ok(()),
        }
    }

    /// Whether a provider that has answered nothing so far embeds the harmless text. If not, no text is at fault.
    async fn embeds_harmless(&mut self) -> bool {
        let reason = match self.probe().await {
            Ok(()) => {
                self.has_answered = true;
                return true;
            }
            Err(RequestFailure::Unavailable {
                message, retry_after, ..
            }) => Some(StopReason::Provider { message, retry_after }),
            Err(RequestFailure::Stop(reason)) => Some(reason),
            Err(RequestFailure::Refused(_) | RequestFailure::Unusable(_)) => {
                let message = self.failed.first().map(|(_, message)| message.clone());
                let has_worked = self.requests.provider.has_worked();
                message.map(|message| {
                    // a gateway's maintenance page, or a truncated response
                    if self.is_unusable && has_worked {
                        provider(message)
                    } else {
                        StopReason::Configuration(message)
                    }
                })
            }
            Err(RequestFailure::Stopping) => None,
        };
        self.failed.clear();
        self.stop_reason = self.stop_reason.take().or(reason);
        false
    }

    /// Refuses the texts that failed, if the provider embeds others.
    async fn refuse_failed(&mut self) {
        if self.failed.is_empty() {
            return;
        }
        // a provider that is down need not be asked
        if self.has_answered || (self.stop_reason.is_none() && self.embeds_harmless().await) {
            for (text, reason) in self.failed.drain(..) {
                self.refusals[text] = Some(reason);
            }
        }
    }

    /// Refuses texts that failed alone again and again while the provider embedded others. The other texts that failed
    /// alone wait.
    async fn refuse_failed_alone(&mut self) {
        let alone = std::mem::take(&mut self.failed_alone);
        let quarantine = &self.requests.quarantine;
        let failures = alone
            .iter()
            .map(|(text, _)| quarantine.failed(&self.texts[*text]))
            .max();
        let Some(failures) = failures else { return };
        if self.stop_reason.is_none() {
            if !self.has_answered && failures >= FAILURES {
                self.has_answered = self.probe().await.is_ok();
            }
            if self.has_answered {
                let texts = alone.iter().map(|(text, _)| *text);
                let refused: Vec<usize> = texts
                    .filter(|&text| quarantine.failed_beside_successes(&self.texts[text]) >= FAILURES)
                    .collect();
                // the provider may have gone down after it embedded the others
                if !refused.is_empty() && (self.has_probed || self.probe().await.is_ok()) {
                    for (text, message) in &alone {
                        if refused.contains(text) {
                            self.refusals[*text] = Some(message.clone());
                        }
                    }
                }
            }
        }
        let refusals = &self.refusals;
        let waiting = alone.into_iter().find(|(text, _)| refusals[*text].is_none());
        let reason = waiting.map(|(_, message)| provider(message));
        self.stop_reason = self.stop_reason.take().or(reason);
    }
}

fn provider(message: String) -> StopReason {
    StopReason::Provider {
        message,
        retry_after: None,
    }
}

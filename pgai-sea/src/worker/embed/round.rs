//! One batch's requests: who is to blame where one fails.
//!
//! A text that is refused is found by splitting, and so is one on which the provider breaks. Before any text is blamed the provider has
//! to vouch for itself by answering another one: one of the batch, or a harmless one. Where it does not, it is not the texts.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use tokio::time::Instant;
use tracing::debug;

use super::answer::Answer;
use super::cut::requests;
use super::suspects::ROUNDS;
use super::{Embedded, Requests};
use crate::worker::batch::stop_reason::StopReason as Trouble;

/// What any provider embeds that embeds at all.
const HARMLESS: &str = "hello world";
/// After so many failures in a row the provider is taken for down, ..
const DOWN: u32 = 2;
/// .. or after so many if it has answered before: of the halves of what failed, both may come after one another.
const DOWN_AFTER_ANSWERS: u32 = 3;

/// The requests of one batch.
#[derive(Debug)]
pub(super) struct Round<'r> {
    requests: &'r Requests,
    texts: &'r [String],
    /// The texts that have no vector yet ..
    missing: Vec<usize>,
    /// .. of which those after so many are suspected.
    others: usize,
    /// Requests still to be made: ranges of `missing`.
    todo: VecDeque<Range<usize>>,
    /// The texts in the longest of them.
    longest: usize,
    /// Whether the provider has answered a text.
    is_vouched: bool,
    has_probed: bool,
    /// Texts that were refused or had no usable answer, and why.
    accused: Vec<(usize, String)>,
    /// Whether one of these had an answer.
    is_unusable: bool,
    /// Texts that alone met a provider that seemed down, and what it said.
    alone: Vec<(usize, String)>,
    /// Requests in a row to a provider that seemed down.
    failures: u32,
    embedded: Embedded,
}

impl<'r> Round<'r> {
    pub(super) fn new(requester: &'r Requests, texts: &'r [String], vectors: Vec<Option<Vec<f32>>>) -> Self {
        let mut missing: Vec<usize> = (0..texts.len()).filter(|&text| vectors[text].is_none()).collect();
        let others = requester.suspects.to_the_end(&mut missing, texts);
        let budget = requester.budget.as_ref().and_then(|budget| budget.tokens());
        let mut todo = requests(&missing[..others], texts, &*requester.embedder, budget);
        todo.extend((others..missing.len()).map(|place| place..place + 1));
        Self {
            requests: requester,
            texts,
            others,
            missing,
            longest: todo.iter().map(Range::len).max().unwrap_or_default(),
            todo,
            is_vouched: false,
            has_probed: false,
            accused: Vec::new(),
            is_unusable: false,
            alone: Vec::new(),
            failures: 0,
            embedded: Embedded {
                vectors,
                refusals: vec![None; texts.len()],
                trouble: None,
                requests: 0,
                texts: 0,
                tokens: None,
            },
        }
    }

    pub(super) async fn run(mut self) -> Embedded {
        let mut goes_on = true;
        while goes_on && let Some((range, divisor)) = self.next() {
            goes_on = self.request(range, divisor).await;
            if !self.is_vouched && self.accused.len() > 1 {
                goes_on &= self.is_credible().await;
            }
        }
        self.judge_accused().await;
        self.judge_alone().await;
        self.embedded
    }

    /// The next request, and how many times smaller than allowed it had to be.
    fn next(&mut self) -> Option<(Range<usize>, usize)> {
        let range = self.todo.pop_front()?;
        let divisor = self.requests.portion.divisor();
        let end = range.end.min(range.start + (self.longest / divisor).max(1));
        if end < range.end {
            self.todo.push_front(end..range.end);
        }
        Some((range.start..end, divisor))
    }

    /// Makes a request; answers whether to go on.
    async fn request(&mut self, range: Range<usize>, divisor: usize) -> bool {
        let (texts, started) = (self.texts, Instant::now());
        let asked = select(texts, &self.missing[range.clone()]);
        match self.requests.ask(&asked, &mut self.embedded).await {
            Ok(answers) => {
                self.failures = 0;
                self.requests.portion.answered(divisor);
                self.answered(range, answers);
            }
            Err(Answer::Refused(_) | Answer::Unusable(_)) if range.len() > 1 => {
                self.failures = 0;
                let middle = range.start + range.len() / 2;
                debug!(texts = range.len(), "refused, splitting to find the text");
                self.todo.push_front(middle..range.end);
                self.todo.push_front(range.start..middle);
            }
            Err(Answer::Refused(error)) => {
                self.failures = 0;
                self.accused.push((self.missing[range.start], error));
            }
            Err(Answer::Unusable(error)) => {
                self.failures = 0;
                self.is_unusable = true;
                self.accused.push((self.missing[range.start], error));
            }
            Err(Answer::Unavailable {
                message,
                retry_after,
                is_rate,
            }) => {
                let portion = &self.requests.portion;
                if range.len() > 1 || !self.is_vouched {
                    portion.failed(divisor, range.len(), started, is_rate);
                }
                if is_rate || retry_after.is_some() {
                    self.embedded.trouble = Some(Trouble::Provider { message, retry_after });
                    return false;
                }
                return self.seems_down(range, message);
            }
            Err(Answer::Trouble(trouble)) => {
                self.embedded.trouble = Some(trouble);
                return false;
            }
            Err(Answer::Stopped) => return false,
        }
        true
    }

    fn answered(&mut self, range: Range<usize>, answers: Vec<Result<Vec<f32>, String>>) {
        for (&text, answer) in self.missing[range].iter().zip(answers) {
            match answer {
                Ok(vector) => {
                    self.is_vouched = true;
                    self.embedded.texts += 1;
                    self.embedded.vectors[text] = Some(vector);
                    if self.others < self.missing.len() {
                        self.requests.suspects.acquit(&self.texts[text]);
                    }
                }
                Err(reason) => {
                    self.is_unusable = true;
                    self.accused.push((text, reason));
                }
            }
        }
    }

    /// A request met a provider that seems down; answers whether to go on. If others are answered, it may be for one of its texts, which
    /// is looked for after the rest.
    fn seems_down(&mut self, range: Range<usize>, message: String) -> bool {
        self.failures += 1;
        let is_alone = range.len() == 1;
        let is_down = match (self.is_vouched, is_alone) {
            (true, _) => self.failures >= DOWN_AFTER_ANSWERS,
            (false, true) => self.failures >= DOWN,
            (false, false) => true,
        };
        if is_alone {
            self.alone.push((self.missing[range.start], message));
        } else if is_down {
            self.embedded.trouble = Some(provider(message));
        } else {
            let middle = range.start + range.len() / 2;
            debug!(texts = range.len(), "failed beside others, splitting to find the text");
            self.todo.extend([range.start..middle, middle..range.end]);
        }
        !is_down
    }

    /// Asks for the vector of a harmless text.
    async fn probe(&mut self) -> Result<(), Answer> {
        self.has_probed = true;
        let answers = self.requests.ask(&[HARMLESS.to_owned()], &mut self.embedded).await?;
        match answers.into_iter().next() {
            Some(Err(reason)) => Err(Answer::Unusable(reason)),
            _ => Ok(()),
        }
    }

    /// Whether the provider, which has answered no text so far, answers a harmless one. If not, no text is to blame.
    async fn is_credible(&mut self) -> bool {
        let trouble = match self.probe().await {
            Ok(()) => {
                self.is_vouched = true;
                return true;
            }
            Err(Answer::Unavailable {
                message, retry_after, ..
            }) => Some(Trouble::Provider { message, retry_after }),
            Err(Answer::Trouble(trouble)) => Some(trouble),
            Err(Answer::Refused(_) | Answer::Unusable(_)) => {
                let message = self.accused.first().map(|(_, message)| message.clone());
                let worked = self.requests.has_worked();
                message.map(|message| {
                    // a gateway's page of maintenance, an answer cut short
                    if self.is_unusable && worked {
                        provider(message)
                    } else {
                        Trouble::Configuration(message)
                    }
                })
            }
            Err(Answer::Stopped) => None,
        };
        self.accused.clear();
        self.embedded.trouble = self.embedded.trouble.take().or(trouble);
        false
    }

    async fn judge_accused(&mut self) {
        if self.accused.is_empty() {
            return;
        }
        // there is no use in asking a provider that is in trouble
        if self.is_vouched || (self.embedded.trouble.is_none() && self.is_credible().await) {
            for (text, reason) in self.accused.drain(..) {
                self.embedded.refusals[text] = Some(reason);
            }
        }
    }

    /// Texts on which the provider has broken again and again, while it answered others, are refused as far as this worker is concerned;
    /// the others wait.
    async fn judge_alone(&mut self) {
        let alone = std::mem::take(&mut self.alone);
        let suspects = &self.requests.suspects;
        let failures = alone.iter().map(|(text, _)| suspects.failed(&self.texts[*text])).max();
        let Some(failures) = failures else { return };
        if self.embedded.trouble.is_none() {
            if !self.is_vouched && failures >= ROUNDS {
                self.is_vouched = self.probe().await.is_ok();
            }
            if self.is_vouched {
                let texts = alone.iter().map(|(text, _)| *text);
                let guilty: Vec<usize> = texts
                    .filter(|&text| suspects.vouched(&self.texts[text]) >= ROUNDS)
                    .collect();
                // it may have gone down after it has answered the others
                if !guilty.is_empty() && (self.has_probed || self.probe().await.is_ok()) {
                    for (text, message) in &alone {
                        if guilty.contains(text) {
                            self.embedded.refusals[*text] = Some(message.clone());
                        }
                    }
                }
            }
        }
        let refusals = &self.embedded.refusals;
        let waits = alone.into_iter().find(|(text, _)| refusals[*text].is_none());
        let trouble = waits.map(|(_, message)| provider(message));
        self.embedded.trouble = self.embedded.trouble.take().or(trouble);
    }
}

fn provider(message: String) -> Trouble {
    Trouble::Provider {
        message,
        retry_after: None,
    }
}

/// The texts of these numbers; without a copy where they stand together.
fn select<'t>(texts: &'t [String], numbers: &[usize]) -> Cow<'t, [String]> {
    match numbers {
        [one] => Cow::Borrowed(std::slice::from_ref(&texts[*one])),
        [first, .., last] if last.checked_sub(*first) == Some(numbers.len() - 1) && numbers.is_sorted() => {
            Cow::Borrowed(&texts[*first..=*last])
        }
        _ => numbers.iter().map(|&text| texts[text].clone()).collect(),
    }
}

//! How much a provider may be asked in a minute and in a day.
//!
//! It is a sliding window: no minute has more than the budget. A token bucket would let twice as much pass in the first
//! minute. Requests wait in turn, so that small ones do not overtake a large one.

mod catalog;
mod meter;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::config::Embedding;

pub(crate) use self::catalog::keeps_budgets;
pub(crate) use self::meter::{Meter, NotSpent};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// How much workers may ask of a provider in a minute, and how many tokens in a day.
///
/// ```
/// use pgai_sea::worker::Budget;
///
/// let budget = Budget::new()
///     .requests_per_minute(3_000)
///     .tokens_per_minute(1_000_000)
///     .tokens_per_day(50_000_000);
/// ```
///
/// All workers of a database that connect as one role share what they ask: the catalog counts it, also over restarts.
/// Give them the same budget. On pgai's catalog, which has no place for it, each worker counts for itself, from its
/// start on.
///
/// Requests wait until the minute has room. Their rows stay leased meanwhile, and no row is charged with an attempt.
/// When the day's tokens are spent, the vectorizer waits until midnight UTC, and
/// [`status`](crate::catalog::status) says so.
///
/// Texts of rows are counted, and those of searches are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Budget {
    requests: Option<u32>,
    tokens: Option<u64>,
    tokens_a_day: Option<u64>,
    window: Option<Duration>,
}

impl Budget {
    /// A budget without limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most so many requests a minute. 0 counts as 1.
    pub fn requests_per_minute(mut self, requests: u32) -> Self {
        self.requests = Some(requests.max(1));
        self
    }

    /// At most so many tokens a minute, as [`Embedder::count_tokens`](crate::embedder::Embedder::count_tokens) counts
    /// them. 0 counts as 1. Requests are made small enough for it. A single text with more tokens is sent alone.
    pub fn tokens_per_minute(mut self, tokens: u64) -> Self {
        self.tokens = Some(tokens.max(1));
        self
    }

    /// A limit of spending: at most so many tokens between one midnight and the next, UTC. 0 counts as 1. They are
    /// counted as for [`tokens_per_minute`](Self::tokens_per_minute), before a request is made. A single text with more
    /// tokens is sent when nothing else was sent that day.
    pub fn tokens_per_day(mut self, tokens: u64) -> Self {
        self.tokens_a_day = Some(tokens.max(1));
        self
    }

    /// The length of the window, by default a minute; from a millisecond to a day. Some providers count in shorter
    /// spans: with one second, 600 requests a minute are 10 in any second.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = Some(window.clamp(Duration::from_millis(1), DAY));
        self
    }

    /// The limits of `other` where this budget has none.
    #[cfg_attr(
        not(feature = "cli"),
        expect(dead_code, reason = "the command line puts them together")
    )]
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            requests: self.requests.or(other.requests),
            tokens: self.tokens.or(other.tokens),
            tokens_a_day: self.tokens_a_day.or(other.tokens_a_day),
            window: self.window.or(other.window),
        }
    }

    fn span(&self) -> Duration {
        self.window.unwrap_or(MINUTE)
    }

    /// The share of a minute's limit for one window, at least 1.
    fn in_window(&self, a_minute: u64) -> u64 {
        let milliseconds = u64::try_from(self.span().as_millis()).unwrap_or(u64::MAX);
        (a_minute.saturating_mul(milliseconds) / 60_000).max(1)
    }

    /// What fits into a window.
    fn most(&self) -> Most {
        Most {
            requests: self.requests.map(|most| self.in_window(most.into())),
            tokens: self.tokens.map(|most| self.in_window(most)),
            tokens_a_day: self.tokens_a_day,
            window: self.span(),
        }
    }
}

/// What fits into a window, and into a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Most {
    requests: Option<u64>,
    tokens: Option<u64>,
    tokens_a_day: Option<u64>,
    window: Duration,
}

impl Most {
    /// What a backfill may take of it.
    fn half(self) -> Self {
        let half = |most: u64| most.div_ceil(2);
        Self {
            requests: self.requests.map(half),
            tokens: self.tokens.map(half),
            tokens_a_day: self.tokens_a_day.map(half),
            ..self
        }
    }
}

/// A worker's budgets, and how much of each is spent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budgets {
    /// For every provider without one of its own.
    every: Option<Budget>,
    /// By `provider`, or `provider/model`.
    named: BTreeMap<String, Budget>,
    meters: Arc<Mutex<HashMap<String, Arc<Meter>>>>,
}

impl Budgets {
    pub(crate) fn set(&mut self, budget: Budget) {
        self.every = Some(budget);
    }

    pub(crate) fn set_of(&mut self, name: String, budget: Budget) {
        self.named.insert(name, budget);
    }

    /// The meter that all vectorizers of this provider share.
    pub(crate) fn meter(&self, config: &Embedding) -> Option<Arc<Meter>> {
        let (provider, model) = names(config);
        let (name, budget) = [&model, &provider]
            .into_iter()
            .find_map(|name| Some((name, *self.named.get(name)?)))
            .or_else(|| Some((&provider, self.every?)))?;
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = meters
            .entry(name.clone())
            .or_insert_with(|| Arc::new(Meter::new(name, budget)));
        Some(Arc::clone(meter))
    }
}

/// `provider` and `provider/model`. For LiteLLM the prefix of the model is the provider.
fn names(config: &Embedding) -> (String, String) {
    let (provider, model) = (config.provider(), config.model());
    match model.split_once('/') {
        Some((prefix, _)) if provider == "litellm" => (prefix.to_owned(), model.to_owned()),
        _ => (provider.to_owned(), format!("{provider}/{model}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectorizers_of_a_provider_share_and_others_do_not() {
        let mut budgets = Budgets::default();
        let config = |config: Embedding| config;
        let small = config(Embedding::openai("small", 3).into());
        let large = config(Embedding::openai("large", 3).into());
        assert!(budgets.meter(&small).is_none());
        budgets.set(Budget::new().requests_per_minute(7));
        budgets.set_of("openai/large".into(), Budget::new().requests_per_minute(1));
        budgets.set_of("cohere".into(), Budget::new().tokens_per_minute(9));
        let meter = |config: &Embedding| budgets.clone().meter(config).unwrap();
        assert!(Arc::ptr_eq(
            &meter(&small),
            &meter(&Embedding::openai("other", 5).into())
        ));
        assert!(!Arc::ptr_eq(&meter(&small), &meter(&large)));
        assert!(!Arc::ptr_eq(
            &meter(&small),
            &meter(&Embedding::ollama("small", 3).into())
        ));
        assert_eq!(meter(&large).most(), Budget::new().requests_per_minute(1).most());
        let cohere = meter(&Embedding::litellm("cohere/embed-v4.0", 3).into());
        assert_eq!(cohere.most(), Budget::new().tokens_per_minute(9).most());
    }
}

//! How much a provider may be asked in a minute.
//!
//! It is a sliding window: no minute has more than the budget. A token bucket would let twice as much pass in the first
//! minute. Requests wait in turn, so that small ones do not overtake a large one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::config::Embedding;

const MINUTE: Duration = Duration::from_mins(1);

/// How much the worker may ask of a provider in a minute.
///
/// ```
/// use pgai_sea::worker::Budget;
///
/// let budget = Budget::new().requests_per_minute(3_000).tokens_per_minute(1_000_000);
/// ```
///
/// Requests wait until the budget has room. Their rows stay leased meanwhile, and no row is charged with an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Budget {
    requests: Option<u32>,
    tokens: Option<u64>,
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

    /// The length of the window, by default a minute. Some providers count in shorter spans: with one second, 600
    /// requests a minute are 10 in any second.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = Some(window);
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
            .or_insert_with(|| Arc::new(Meter::new(budget)));
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

/// What was asked of a provider within the window.
#[derive(Debug)]
pub(crate) struct Meter {
    budget: Budget,
    /// Locked by the request that waits, so that others wait in turn.
    spent: tokio::sync::Mutex<Spent>,
    /// What of it was asked for rows that are all embedded anew, which is at most half.
    backfill: tokio::sync::Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    /// When, and how many tokens.
    requests: VecDeque<(Instant, u64)>,
    tokens: u64,
}

/// What fits into a window.
#[derive(Clone, Copy)]
struct Most {
    requests: Option<u64>,
    tokens: Option<u64>,
    window: Duration,
}

impl Meter {
    fn new(budget: Budget) -> Self {
        Self {
            budget,
            spent: tokio::sync::Mutex::default(),
            backfill: tokio::sync::Mutex::default(),
        }
    }

    /// The most tokens of a request, if tokens are limited.
    pub(crate) fn tokens(&self) -> Option<u64> {
        self.budget.tokens.map(|tokens| self.budget.in_window(tokens))
    }

    /// Waits until a request of so many tokens is within the budget, and spends it. A request of a backfill waits for
    /// its half first, so that no fresh edit waits behind more than one of them.
    pub(crate) async fn spend(&self, tokens: u64, is_backfill: bool) {
        let all = Most {
            requests: self.budget.requests.map(|most| self.budget.in_window(most.into())),
            tokens: self.tokens(),
            window: self.budget.span(),
        };
        let mut backfill = None;
        if is_backfill {
            let half = |most: u64| most.div_ceil(2);
            let mut spent = self.backfill.lock().await;
            let most = Most {
                requests: all.requests.map(half),
                tokens: all.tokens.map(half),
                ..all
            };
            spent.wait(most, tokens).await;
            backfill = Some(spent);
        }
        let mut spent = self.spent.lock().await;
        spent.wait(all, tokens).await;
        spent.add(tokens);
        if let Some(mut backfill) = backfill {
            backfill.add(tokens);
        }
    }
}

impl Spent {
    /// Waits until there is room for a request.
    async fn wait(&mut self, most: Most, tokens: u64) {
        loop {
            let now = Instant::now();
            while let Some((when, tokens)) = self
                .requests
                .front()
                .copied()
                .filter(|(when, _)| now >= *when + most.window)
            {
                debug_assert!(when <= now);
                self.tokens -= tokens;
                self.requests.pop_front();
            }
            let Some((oldest, _)) = self.requests.front() else {
                return;
            };
            let one_more = most.requests.is_none_or(|most| (self.requests.len() as u64) < most);
            if one_more
                && most
                    .tokens
                    .is_none_or(|most| self.tokens.saturating_add(tokens) <= most)
            {
                return;
            }
            let until = *oldest + most.window;
            debug!(wait = ?(until - now), "waiting for the provider's budget");
            sleep_until(until).await;
        }
    }

    fn add(&mut self, tokens: u64) {
        self.requests.push_back((Instant::now(), tokens));
        self.tokens += tokens;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(200);

    /// When each request of so many tokens passed.
    async fn passed(budget: Budget, requests: &[u64]) -> Vec<Duration> {
        let meter = Meter::new(budget.window(WINDOW));
        let started = Instant::now();
        let mut passed = Vec::new();
        for &tokens in requests {
            meter.spend(tokens, false).await;
            passed.push(started.elapsed());
        }
        passed
    }

    #[tokio::test]
    async fn no_window_has_more_requests_than_allowed() {
        // 3 in a window
        let passed = passed(Budget::new().requests_per_minute(900), &[0; 8]).await;
        for (earlier, later) in passed.iter().zip(&passed[3..]) {
            assert!(*later >= *earlier + WINDOW.mul_f32(0.97), "{passed:?}");
        }
    }

    #[tokio::test]
    async fn tokens_count_too_and_what_is_larger_than_all_goes_alone() {
        // 100 in a window
        let passed = passed(Budget::new().tokens_per_minute(30_000), &[60, 40, 1, 99, 500, 1]).await;
        for (earlier, later) in [(0, 2), (1, 3), (3, 4), (4, 5)] {
            let apart = passed[later].saturating_sub(passed[earlier]);
            assert!(apart >= WINDOW.mul_f32(0.97), "{earlier} to {later}: {passed:?}");
        }
    }

    #[tokio::test]
    async fn a_backfill_leaves_half_of_the_budget_to_others() {
        // 4 in a window
        let meter = Meter::new(Budget::new().requests_per_minute(1_200).window(WINDOW));
        let started = Instant::now();
        for _ in 0..2 {
            meter.spend(0, true).await;
        }
        let backfill = async {
            meter.spend(0, true).await;
            started.elapsed()
        };
        let others = async {
            for _ in 0..2 {
                meter.spend(0, false).await;
            }
            started.elapsed()
        };
        let (backfill, others) = tokio::join!(backfill, others);
        assert!(
            backfill >= WINDOW.mul_f32(0.97) && others < WINDOW / 2,
            "{backfill:?} {others:?}"
        );
    }

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
        assert_eq!(meter(&large).budget, Budget::new().requests_per_minute(1));
        let cohere = meter(&Embedding::litellm("cohere/embed-v4.0", 3).into());
        assert_eq!(cohere.budget, Budget::new().tokens_per_minute(9));
    }
}

//! What was asked of a provider, and the wait for room.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;

use super::catalog::{Asked, spend_in};
use super::{Budget, DAY, Most};
use crate::worker::connection::Database;
use crate::worker::database_error::DatabaseError;

/// How often a worker looks whether others have left room.
const LOOK: Duration = Duration::from_secs(1);

/// What was asked of a provider.
#[derive(Debug)]
pub(crate) struct Meter {
    /// The provider, or one of its models.
    name: String,
    most: Most,
    /// Locked by the request that waits, so that others wait in turn.
    spent: Mutex<Spent>,
    /// What of it was asked for rows that are all embedded anew, which is at most half.
    backfill: Mutex<Spent>,
}

/// What one worker asked, where the catalog does not count.
#[derive(Debug, Default)]
struct Spent {
    /// When, and how many tokens.
    requests: VecDeque<(Instant, u64)>,
    tokens: u64,
    /// The day, counted from 1970, and its tokens.
    day: (u64, u64),
}

/// Why a request is not made, and nobody should wait for it with rows in hand.
#[derive(Debug)]
pub(crate) enum NotSpent {
    /// The day's tokens are spent. There are more after this time.
    Day {
        message: String,
        wait: Duration,
    },
    Database(DatabaseError),
}

impl Meter {
    pub(super) fn new(name: &str, budget: Budget) -> Self {
        Self {
            name: name.to_owned(),
            most: budget.most(),
            spent: Mutex::default(),
            backfill: Mutex::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn most(&self) -> Most {
        self.most
    }

    /// The most tokens of a request, if tokens are limited.
    pub(crate) fn tokens(&self) -> Option<u64> {
        self.most.tokens.into_iter().chain(self.most.tokens_a_day).min()
    }

    /// Waits until a request of so many tokens is within the budget, and spends it. `catalog`: where all workers count
    /// together. A request of a backfill waits for its half first, so that no fresh edit waits behind more than one of
    /// them.
    pub(crate) async fn spend(
        &self,
        tokens: u64,
        is_backfill: bool,
        catalog: Option<&Database>,
    ) -> Result<(), NotSpent> {
        if let Some(catalog) = catalog {
            // seldom, and large
            return Box::pin(self.spend_together(tokens, is_backfill, catalog)).await;
        }
        let mut backfill = None;
        if is_backfill {
            let mut spent = self.backfill.lock().await;
            let most = self.most.half();
            let waited = spent.wait(&self.name, most, tokens).await;
            waited.map_err(|left| self.day(is_backfill, left))?;
            backfill = Some(spent);
        }
        let mut spent = self.spent.lock().await;
        let waited = spent.wait(&self.name, self.most, tokens).await;
        waited.map_err(|left| self.day(false, left))?;
        spent.add(tokens);
        if let Some(mut backfill) = backfill {
            backfill.add(tokens);
        }
        Ok(())
    }

    async fn spend_together(&self, tokens: u64, is_backfill: bool, catalog: &Database) -> Result<(), NotSpent> {
        let turn = if is_backfill { &self.backfill } else { &self.spent };
        let _turn = turn.lock().await;
        loop {
            match spend_in(catalog, &self.name, self.most, tokens, is_backfill).await {
                Ok(Asked::Spent) => return Ok(()),
                Ok(Asked::Full(wait)) => {
                    debug!(provider = self.name, ?wait, "waiting for the provider's budget");
                    sleep(wait.min(LOOK)).await;
                }
                Ok(Asked::Day(wait)) => return Err(self.day(is_backfill, wait)),
                Err(error) => return Err(NotSpent::Database(error)),
            }
        }
    }

    /// The day's tokens are spent.
    fn day(&self, is_backfill: bool, wait: Duration) -> NotSpent {
        let (name, tokens) = (&self.name, self.most.tokens_a_day.unwrap_or_default());
        let spent = if is_backfill {
            "a backfill may spend half of them, and they"
        } else {
            "they"
        };
        NotSpent::Day {
            message: format!(
                "{name} may be sent {tokens} tokens a day: {spent} are spent. It goes on at 00:00 UTC, or with a \
                 higher limit"
            ),
            wait,
        }
    }
}

impl Spent {
    /// Waits until there is room for a request. Fails with the time that the day lasts, if the day has no room.
    async fn wait(&mut self, provider: &str, most: Most, tokens: u64) -> Result<(), Duration> {
        let (today, left) = today();
        if self.day.0 != today {
            self.day = (today, 0);
        }
        let of_day = self.day.1;
        if most
            .tokens_a_day
            .is_some_and(|most| of_day > 0 && of_day.saturating_add(tokens) > most)
        {
            return Err(left);
        }
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
                return Ok(());
            };
            let one_more = most.requests.is_none_or(|most| (self.requests.len() as u64) < most);
            if one_more
                && most
                    .tokens
                    .is_none_or(|most| self.tokens == 0 || self.tokens.saturating_add(tokens) <= most)
            {
                return Ok(());
            }
            let until = *oldest + most.window;
            debug!(provider, wait = ?(until - now), "waiting for the provider's budget");
            sleep_until(until).await;
        }
    }

    fn add(&mut self, tokens: u64) {
        self.requests.push_back((Instant::now(), tokens));
        self.tokens += tokens;
        self.day.1 += tokens;
    }
}

/// The day, counted from 1970, and how long it lasts, in UTC.
fn today() -> (u64, Duration) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (day, gone) = (since.as_secs() / DAY.as_secs(), since.as_secs() % DAY.as_secs());
    (day, DAY.saturating_sub(Duration::from_secs(gone)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(200);

    /// When each request of so many tokens passed.
    async fn passed(budget: Budget, requests: &[u64]) -> Vec<Duration> {
        let meter = Meter::new("a", budget.window(WINDOW));
        let started = Instant::now();
        let mut passed = Vec::new();
        for &tokens in requests {
            meter.spend(tokens, false, None).await.unwrap();
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
        let meter = Meter::new("a", Budget::new().requests_per_minute(1_200).window(WINDOW));
        let started = Instant::now();
        for _ in 0..2 {
            meter.spend(0, true, None).await.unwrap();
        }
        let backfill = async {
            meter.spend(0, true, None).await.unwrap();
            started.elapsed()
        };
        let others = async {
            for _ in 0..2 {
                meter.spend(0, false, None).await.unwrap();
            }
            started.elapsed()
        };
        let (backfill, others) = tokio::join!(backfill, others);
        assert!(
            backfill >= WINDOW.mul_f32(0.97) && others < WINDOW / 2,
            "{backfill:?} {others:?}"
        );
    }

    #[tokio::test]
    async fn a_day_has_its_tokens() {
        let meter = Meter::new("openai", Budget::new().tokens_per_day(100));
        meter.spend(1_000, false, None).await.unwrap(); // alone
        let Err(NotSpent::Day { message, wait }) = meter.spend(1, false, None).await else {
            panic!("it was spent");
        };
        assert!(
            message.starts_with("openai may be sent 100 tokens a day: they are spent"),
            "{message}"
        );
        assert!(wait > Duration::ZERO && wait <= DAY, "{wait:?}");
        meter.spent.lock().await.day.0 -= 1;
        meter.spend(60, false, None).await.unwrap();
        assert!(meter.spend(41, false, None).await.is_err());
        meter.spend(40, false, None).await.unwrap();
    }
}

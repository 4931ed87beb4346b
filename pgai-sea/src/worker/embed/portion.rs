//! How large requests are where what the limits allow is too much for the provider: more tokens than its minute has, more texts than a CPU
//! embeds before the timeout, a text that crashes it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// After so many failures in a row, smaller requests are tried ..
const FAILURES: u32 = 3;
/// .. or after this: a minute's allowance was full again meanwhile, so that it is not too many requests but too large ones.
const LASTING: Duration = Duration::from_mins(1);
/// No request has more texts.
const SMALLEST: usize = 4_096;
/// The most successes that a larger request waits for.
const MOST_PATIENCE: u32 = 64;

/// The part of what the limits allow that goes into a request.
#[derive(Debug)]
pub(super) struct Portion(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Requests are so many times smaller than they might be; a power of two.
    divisor: usize,
    /// Failures in a row, those for a rate limit aside.
    failures: u32,
    /// When the first of the requests that failed in a row was made.
    since: Option<Instant>,
    /// Successes in a row of this size.
    successes: u32,
    /// So many are wanted before a larger size is tried: more each time that the larger one has failed.
    patience: u32,
    /// Whether this size was arrived at from a smaller one.
    has_grown: bool,
}

impl Default for Portion {
    fn default() -> Self {
        Self(Mutex::new(State {
            divisor: 1,
            failures: 0,
            since: None,
            successes: 0,
            patience: 1,
            has_grown: false,
        }))
    }
}

impl Portion {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many times smaller than allowed a request is to be.
    pub(super) fn divisor(&self) -> usize {
        self.state().divisor
    }

    /// A request that was so many times smaller was answered.
    pub(super) fn answered(&self, divisor: usize) {
        let state = &mut *self.state();
        (state.failures, state.since) = (0, None);
        if divisor != state.divisor {
            return;
        }
        if divisor == 1 {
            (state.patience, state.has_grown) = (1, false);
            return;
        }
        state.successes += 1;
        if state.successes >= state.patience {
            state.divisor /= 2;
            (state.successes, state.has_grown) = (0, true);
        }
    }

    /// A request of so many texts, made at `started`, found the provider down, slow or short of rate. Requests that ran at the same time
    /// and failed together make the next ones smaller once.
    pub(super) fn failed(&self, divisor: usize, texts: usize, started: Instant, is_rate: bool) {
        let state = &mut *self.state();
        let since = *state.since.get_or_insert(started);
        if !is_rate {
            state.failures = state.failures.saturating_add(1);
        }
        if divisor != state.divisor {
            return;
        }
        if texts == 1 {
            // it was not the size
            if !is_rate {
                (state.divisor, state.successes, state.has_grown) = (1, 0, false);
            }
            return;
        }
        if state.failures >= FAILURES || since.elapsed() >= LASTING {
            if state.has_grown {
                state.patience = (state.patience * 2).min(MOST_PATIENCE);
            }
            state.divisor = (divisor * 2).min(SMALLEST);
            (state.successes, state.has_grown) = (0, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if what has failed so far had begun so much earlier.
    fn pass(portion: &Portion, time: Duration) {
        let state = &mut *portion.state();
        state.since = state.since.map(|since| since.checked_sub(time).unwrap());
    }

    #[test]
    fn what_lasts_makes_requests_smaller_and_success_larger_again() {
        let portion = Portion::default();
        let fail = |texts| portion.failed(portion.divisor(), texts, Instant::now(), false);
        // two may happen to anyone
        for divisor in [1, 1, 2, 4] {
            fail(50);
            assert_eq!(portion.divisor(), divisor);
        }
        portion.answered(4);
        assert_eq!(portion.divisor(), 2);
        portion.answered(4); // was under way before
        assert_eq!(portion.divisor(), 2);
        portion.answered(2);
        assert_eq!(portion.divisor(), 1);

        // a request that fails after long does not need two more
        let started = Instant::now().checked_sub(LASTING).unwrap();
        portion.failed(1, 2_048, started, false);
        assert_eq!(portion.divisor(), 2);
        // where one text fails too, it was not the size
        fail(1);
        assert_eq!(portion.divisor(), 1);
    }

    #[test]
    fn too_many_requests_are_not_too_large_ones_until_it_lasts() {
        let portion = Portion::default();
        let fail = || portion.failed(portion.divisor(), 50, Instant::now(), true);
        for _ in 0..10 {
            fail();
            pass(&portion, LASTING / 20);
        }
        assert_eq!(portion.divisor(), 1);
        portion.answered(1);
        // Half of it passes, and the whole never does: it is tried less and less often.
        let mut waits = Vec::new();
        for _ in 0..4 {
            fail();
            pass(&portion, LASTING);
            fail();
            assert_eq!(portion.divisor(), 2);
            let mut answers = 0;
            while portion.divisor() == 2 {
                portion.answered(2);
                answers += 1;
            }
            waits.push(answers);
        }
        assert_eq!(waits, [1, 2, 4, 8]);
    }
}

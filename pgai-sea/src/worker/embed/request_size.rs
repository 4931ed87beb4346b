//! Smaller requests while the provider fails. A request within the limits may still be too large: more tokens than the
//! provider's minute has, or more texts than a CPU embeds before the timeout. Or one of its texts crashes the provider.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// After so many failures in a row, requests get smaller.
const FAILURES: u32 = 3;
/// After so long without a success, requests get smaller too. A minute's rate limit was reset meanwhile, so it is not
/// the number of requests but their size.
const LASTING: Duration = Duration::from_mins(1);
/// The largest divisor.
const MOST_DIVISOR: usize = 4_096;
/// The most successes before a larger request is tried.
const MOST_PATIENCE: u32 = 64;

/// How much smaller than the limits allow requests are.
#[derive(Debug)]
pub(super) struct RequestSize(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Requests are so many times smaller than the limits allow. A power of two.
    divisor: usize,
    /// Failures in a row, without those for a rate limit.
    failures: u32,
    /// When the first of the failed requests in a row was made.
    since: Option<Instant>,
    /// Successes in a row with this divisor.
    successes: u32,
    /// So many successes are needed before larger requests are tried. It doubles each time that the larger ones fail.
    patience: u32,
    /// Whether requests were smaller before.
    has_grown: bool,
}

impl Default for RequestSize {
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

impl RequestSize {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many times smaller than the limits allow the next request is.
    pub(super) fn divisor(&self) -> usize {
        self.state().divisor
    }

    /// A request of this divisor succeeded.
    pub(super) fn succeeded(&self, divisor: usize) {
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

    /// A request of so many texts, made at `started`, met a provider that is down, slow or limits the rate. Concurrent
    /// requests that fail together make the next ones smaller once.
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
            // the size is not the reason
            if !is_rate {
                (state.divisor, state.successes, state.has_grown) = (1, 0, false);
            }
            return;
        }
        if state.failures >= FAILURES || since.elapsed() >= LASTING {
            if state.has_grown {
                state.patience = (state.patience * 2).min(MOST_PATIENCE);
            }
            state.divisor = (divisor * 2).min(MOST_DIVISOR);
            (state.successes, state.has_grown) = (0, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves the start of the failures back.
    fn pass(size: &RequestSize, time: Duration) {
        let state = &mut *size.state();
        state.since = state.since.map(|since| since.checked_sub(time).unwrap());
    }

    #[test]
    fn lasting_failures_make_requests_smaller_and_successes_larger_again() {
        let size = RequestSize::default();
        let fail = |texts| size.failed(size.divisor(), texts, Instant::now(), false);
        // two failures change nothing
        for divisor in [1, 1, 2, 4] {
            fail(50);
            assert_eq!(size.divisor(), divisor);
        }
        size.succeeded(4);
        assert_eq!(size.divisor(), 2);
        size.succeeded(4); // made before the divisor changed
        assert_eq!(size.divisor(), 2);
        size.succeeded(2);
        assert_eq!(size.divisor(), 1);

        // a request that fails after a long time needs no others
        let started = Instant::now().checked_sub(LASTING).unwrap();
        size.failed(1, 2_048, started, false);
        assert_eq!(size.divisor(), 2);
        // if a single text fails too, the size is not the reason
        fail(1);
        assert_eq!(size.divisor(), 1);
    }

    #[test]
    fn a_rate_limit_makes_requests_smaller_only_if_it_lasts() {
        let size = RequestSize::default();
        let fail = || size.failed(size.divisor(), 50, Instant::now(), true);
        for _ in 0..10 {
            fail();
            pass(&size, LASTING / 20);
        }
        assert_eq!(size.divisor(), 1);
        size.succeeded(1);
        // half the size passes, the whole size never does: it is tried less and less often
        let mut waits = Vec::new();
        for _ in 0..4 {
            fail();
            pass(&size, LASTING);
            fail();
            assert_eq!(size.divisor(), 2);
            let mut answers = 0;
            while size.divisor() == 2 {
                size.succeeded(2);
                answers += 1;
            }
            waits.push(answers);
        }
        assert_eq!(waits, [1, 2, 4, 8]);
    }
}

//! When to try again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How long to wait, longer each time, with jitter so that workers that failed together do not come back together.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    base: Duration,
    most: Duration,
    attempt: u32,
}

impl Backoff {
    pub(crate) fn new(base: Duration, most: Duration) -> Self {
        Self { base, most, attempt: 0 }
    }

    /// The next wait: between half of and the whole of base, 2 base, 4 base, .., but no less than was asked for, and up
    /// to a tenth more.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let wait = delay(self.base, self.most, self.attempt);
        self.attempt = self.attempt.saturating_add(1);
        // who were told the same do not come back together either
        let asked = asked.unwrap_or_default();
        wait.max(asked + fraction(asked / 10))
    }

    /// After a success.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }

    /// Failures in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.attempt
    }
}

/// Any number, another at each call.
pub(crate) fn random() -> u64 {
    // RandomState is seeded by the system; the standard library has no other random number to offer
    RandomState::new().hash_one(0_u8)
}

/// The wait after `failures` failures before this one.
pub(crate) fn delay(base: Duration, most: Duration, failures: u32) -> Duration {
    let full = base.saturating_mul(2_u32.saturating_pow(failures)).min(most);
    full / 2 + fraction(full / 2)
}

/// Any part of it.
pub(crate) fn fraction(whole: Duration) -> Duration {
    let random = random() % 1_000;
    whole.mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 60 * second);
        for full in [1, 2, 4, 8, 16, 32, 60, 60] {
            let wait = backoff.next(None);
            assert!(
                (full * second / 2..=full * second).contains(&wait),
                "{wait:?} of {full} s"
            );
        }
        backoff.reset();
        assert!(backoff.next(None) <= second);
    }

    #[test]
    fn what_was_asked_for_is_kept() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
        let waits: Vec<Duration> = (0..20).map(|_| backoff.next(Some(Duration::from_secs(90)))).collect();
        let asked = Duration::from_secs(90)..=Duration::from_secs(99);
        assert!(waits.iter().all(|wait| asked.contains(wait)), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
    }
}

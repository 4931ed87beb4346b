//! How fast a backfill may go, so that searches and writers keep their share of the database.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The pace of all backfills of a worker together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    /// The time that each row takes. `None`: as fast as it goes.
    each: Option<Duration>,
    next: Arc<Mutex<Option<Instant>>>,
}

impl Pace {
    pub(crate) fn rows_per_second(rows: u32) -> Self {
        Self {
            each: Some(Duration::from_secs(1) / rows.max(1)),
            next: Arc::default(),
        }
    }

    /// When the next rows may be claimed. `None`: at once.
    pub(crate) fn waits_until(&self) -> Option<Instant> {
        self.next().filter(|next| *next > Instant::now())
    }

    /// The most rows that are claimed together: no more than a second's, so that the pace is steady.
    pub(crate) fn at_most(&self, rows: i64) -> i64 {
        let a_second = self.each.map(|each| 1_000_000_000 / each.as_nanos().max(1));
        a_second.map_or(rows, |most| rows.min(i64::try_from(most).unwrap_or(rows).max(1)))
    }

    /// Counts rows that were claimed.
    pub(crate) fn claimed(&self, rows: usize) {
        let Some(each) = self.each else { return };
        let took = each * u32::try_from(rows).unwrap_or(u32::MAX);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        *next = Some(next.map_or(now, |next| next.max(now)) + took);
    }

    fn next(&self) -> Option<Instant> {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_take_their_time() {
        let pace = Pace::rows_per_second(20);
        assert_eq!((pace.at_most(128), pace.at_most(3), pace.waits_until()), (20, 3, None));
        let before = Instant::now();
        pace.claimed(10);
        pace.clone().claimed(10);
        let until = pace.waits_until().unwrap();
        assert!(until >= before + Duration::from_millis(990), "{:?}", until - before);
        let free = Pace::default();
        free.claimed(1_000_000);
        assert_eq!((free.at_most(128), free.waits_until()), (128, None));
    }
}

//! Texts on which the provider seems to break: requests with them fail as if it was down, and others do not.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So often a text has to fail alone.
pub(super) const ROUNDS: u32 = 3;
/// So many are known at most.
const MOST: usize = 4_096;

/// Texts that failed alone, by their hash.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    hasher: RandomState,
    known: Mutex<HashMap<u64, Suspicion>>,
}

#[derive(Debug, Default)]
struct Suspicion {
    /// Requests of nothing else that failed.
    failures: u32,
    /// Those of them beside which the provider answered other texts.
    vouched: u32,
}

impl Suspects {
    fn known(&self) -> MutexGuard<'_, HashMap<u64, Suspicion>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves those of `missing` that are suspected behind the others; answers how many others there are.
    pub(super) fn to_the_end(&self, missing: &mut Vec<usize>, texts: &[String]) -> usize {
        let known = self.known();
        if known.is_empty() {
            return missing.len();
        }
        let is_known = |text: &usize| known.contains_key(&self.hasher.hash_one(&texts[*text]));
        let suspected = missing.extract_if(.., |text| is_known(text)).collect::<Vec<_>>();
        let others = missing.len();
        missing.extend(suspected);
        others
    }

    /// A request of this text alone failed; how often it did so far.
    pub(super) fn failed(&self, text: &str) -> u32 {
        let mut known = self.known();
        if known.len() >= MOST {
            known.clear();
        }
        let suspicion = known.entry(self.hasher.hash_one(text)).or_default();
        suspicion.failures = suspicion.failures.saturating_add(1);
        suspicion.failures
    }

    /// And others were answered; how often that was so.
    pub(super) fn vouched(&self, text: &str) -> u32 {
        let mut known = self.known();
        let suspicion = known.entry(self.hasher.hash_one(text)).or_default();
        suspicion.vouched = suspicion.vouched.saturating_add(1);
        suspicion.vouched
    }

    /// It was answered.
    pub(super) fn acquit(&self, text: &str) {
        self.known().remove(&self.hasher.hash_one(text));
    }
}

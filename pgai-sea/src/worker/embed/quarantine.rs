//! Texts on which the provider seems to break: requests with them fail as if it were down, and others succeed. They are
//! sent alone and last, so that they hold up no other text.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How often a text has to fail alone before it is refused.
pub(super) const FAILURES: u32 = 3;
/// The most texts in quarantine.
const MOST: usize = 4_096;

/// The texts that failed alone, by their hash.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    hasher: RandomState,
    records: Mutex<HashMap<u64, Record>>,
}

#[derive(Debug, Default)]
struct Record {
    /// How often a request with this text alone failed.
    failures: u32,
    /// How often of these the provider embedded other texts meanwhile.
    beside_successes: u32,
}

impl Quarantine {
    fn records(&self) -> MutexGuard<'_, HashMap<u64, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the texts of `missing` that are in quarantine behind the others. Returns how many others there are.
    pub(super) fn move_last(&self, missing: &mut Vec<usize>, texts: &[String]) -> usize {
        let records = self.records();
        if records.is_empty() {
            return missing.len();
        }
        let is_in = |text: &usize| records.contains_key(&self.hasher.hash_one(&texts[*text]));
        let quarantined = missing.extract_if(.., |text| is_in(text)).collect::<Vec<_>>();
        let others = missing.len();
        missing.extend(quarantined);
        others
    }

    /// A request with this text alone failed. Returns how often that happened.
    pub(super) fn failed(&self, text: &str) -> u32 {
        let mut records = self.records();
        if records.len() >= MOST {
            records.clear();
        }
        let record = records.entry(self.hasher.hash_one(text)).or_default();
        record.failures = record.failures.saturating_add(1);
        record.failures
    }

    /// The provider embedded other texts while this one failed. Returns how often that happened.
    pub(super) fn failed_beside_successes(&self, text: &str) -> u32 {
        let mut records = self.records();
        let record = records.entry(self.hasher.hash_one(text)).or_default();
        record.beside_successes = record.beside_successes.saturating_add(1);
        record.beside_successes
    }

    /// The text was embedded.
    pub(super) fn release(&self, text: &str) {
        self.records().remove(&self.hasher.hash_one(text));
    }
}

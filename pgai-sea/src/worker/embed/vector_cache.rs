//! Vectors of texts whose rows went back to the queue. Without it, a row that is locked, edited all the time, or has
//! more chunks than the provider's minute has tokens would be paid for again and again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many vectors are kept at least, whatever the number of batches.
const VECTORS: usize = 1_024;

type Batch = HashMap<String, Vec<f32>>;

/// Vectors that could not be written yet.
#[derive(Debug)]
pub(crate) struct VectorCache {
    /// By batch, the newest last.
    batches: Mutex<VecDeque<Batch>>,
    /// How many batches are kept at least, however large.
    least: usize,
}

impl VectorCache {
    /// Keeps at least so many batches.
    pub(crate) fn new(batches: usize) -> Self {
        Self {
            batches: Mutex::default(),
            least: batches,
        }
    }

    fn batches(&self) -> MutexGuard<'_, VecDeque<Batch>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes and returns the vectors of `texts`.
    pub(crate) fn take(&self, texts: &[String]) -> Vec<Option<Vec<f32>>> {
        let mut batches = self.batches();
        if batches.is_empty() {
            return vec![None; texts.len()];
        }
        let take = |text: &String| batches.iter_mut().find_map(|batch| batch.remove(text));
        let vectors = texts.iter().map(take).collect();
        batches.retain(|batch| !batch.is_empty());
        vectors
    }

    /// Keeps a batch's vectors.
    pub(crate) fn keep(&self, vectors: impl IntoIterator<Item = (String, Vec<f32>)>) {
        let batch: Batch = vectors.into_iter().collect();
        if batch.is_empty() {
            return;
        }
        let mut batches = self.batches();
        batches.push_back(batch);
        let mut count: usize = batches.iter().map(HashMap::len).sum();
        while batches.len() > self.least && count > VECTORS {
            count -= batches.pop_front().map_or(0, |batch| batch.len());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches().is_empty()
    }

    pub(crate) fn clear(&self) {
        self.batches().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(name: &str, count: usize) -> Vec<String> {
        (0..count).map(|i| format!("{name} {i}")).collect()
    }

    fn keep(cache: &VectorCache, name: &str, count: usize) {
        cache.keep(texts(name, count).into_iter().map(|text| (text, vec![1.0])));
    }

    fn taken(cache: &VectorCache, name: &str, count: usize) -> usize {
        cache.take(&texts(name, count)).into_iter().flatten().count()
    }

    #[test]
    fn a_large_batch_is_kept_as_a_whole_beside_others() {
        let cache = VectorCache::new(2);
        keep(&cache, "a", 3 * VECTORS);
        keep(&cache, "b", 3 * VECTORS);
        assert_eq!(taken(&cache, "a", 3 * VECTORS), 3 * VECTORS);
        assert_eq!(taken(&cache, "a", 1), 0, "it was removed");
        keep(&cache, "a", 3 * VECTORS);
        // the oldest batch goes, and a batch that is taken and kept again is not the oldest
        keep(&cache, "c", 1);
        assert_eq!(taken(&cache, "b", 3 * VECTORS), 0);
        assert_eq!(taken(&cache, "a", 3 * VECTORS), 3 * VECTORS);
    }

    #[test]
    fn many_small_batches_are_kept() {
        let cache = VectorCache::new(2);
        for batch in 0..100 {
            keep(&cache, &batch.to_string(), 2);
        }
        assert_eq!(taken(&cache, "0", 2), 2);
        cache.clear();
        assert!(cache.is_empty());
    }
}

//! Vectors of texts whose rows went back to the queue: a row that is held, edited all the time, or has more chunks than the provider's minute
//! has tokens would be paid for again and again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many vectors are kept at least, where there are so many ..
const VECTORS: usize = 1_024;

type Batch = HashMap<String, Vec<f32>>;

/// Vectors that are not written yet.
#[derive(Debug)]
pub(crate) struct Memory {
    /// By the batches that they are of, the newest last.
    batches: Mutex<VecDeque<Batch>>,
    /// .. and so many batches, however large.
    most: usize,
}

impl Memory {
    /// Remembers at least so many batches.
    pub(crate) fn new(batches: usize) -> Self {
        Self {
            batches: Mutex::default(),
            most: batches,
        }
    }

    fn batches(&self) -> MutexGuard<'_, VecDeque<Batch>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out the vectors of `texts`.
    pub(crate) fn recall(&self, texts: &[String]) -> Vec<Option<Vec<f32>>> {
        let mut batches = self.batches();
        if batches.is_empty() {
            return vec![None; texts.len()];
        }
        let recall = |text: &String| batches.iter_mut().find_map(|batch| batch.remove(text));
        let vectors = texts.iter().map(recall).collect();
        batches.retain(|batch| !batch.is_empty());
        vectors
    }

    /// Keeps a batch's vectors.
    pub(crate) fn remember(&self, vectors: impl IntoIterator<Item = (String, Vec<f32>)>) {
        let batch: Batch = vectors.into_iter().collect();
        if batch.is_empty() {
            return;
        }
        let mut batches = self.batches();
        batches.push_back(batch);
        let mut count: usize = batches.iter().map(HashMap::len).sum();
        while batches.len() > self.most && count > VECTORS {
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

    fn remember(memory: &Memory, name: &str, count: usize) {
        memory.remember(texts(name, count).into_iter().map(|text| (text, vec![1.0])));
    }

    fn recalled(memory: &Memory, name: &str, count: usize) -> usize {
        memory.recall(&texts(name, count)).into_iter().flatten().count()
    }

    #[test]
    fn a_large_batch_is_remembered_as_a_whole_beside_others() {
        let memory = Memory::new(2);
        remember(&memory, "a", 3 * VECTORS);
        remember(&memory, "b", 3 * VECTORS);
        assert_eq!(recalled(&memory, "a", 3 * VECTORS), 3 * VECTORS);
        assert_eq!(recalled(&memory, "a", 1), 0, "it was taken out");
        remember(&memory, "a", 3 * VECTORS);
        // the oldest goes, and what is recalled again and again is not that
        remember(&memory, "c", 1);
        assert_eq!(recalled(&memory, "b", 3 * VECTORS), 0);
        assert_eq!(recalled(&memory, "a", 3 * VECTORS), 3 * VECTORS);
    }

    #[test]
    fn many_small_batches_are_remembered() {
        let memory = Memory::new(2);
        for batch in 0..100 {
            remember(&memory, &batch.to_string(), 2);
        }
        assert_eq!(recalled(&memory, "0", 2), 2);
        memory.clear();
        assert!(memory.is_empty());
    }
}

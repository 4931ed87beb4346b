//! What a run did.

use super::counts::Counts;

/// A worker may run for months.
const MOST_ERRORS: usize = 20;

/// What [`Worker::run_once`](super::Worker::run_once) or [`Worker::run_until`](super::Worker::run_until) did for each
/// vectorizer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// One for each vectorizer that was served, by id.
    pub vectorizers: Vec<VectorizerReport>,
}

/// What was done for one vectorizer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VectorizerReport {
    /// Its number.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// What was done.
    pub counts: Counts,
    /// Rows that stay in the queue because their next attempt is not due yet.
    pub waiting: u64,
    /// Whether [`Worker::run_once_until`](super::Worker::run_once_until) was stopped while rows were left in the queue.
    pub is_unfinished: bool,
    /// Whether the index over its embeddings was built.
    pub index_built: bool,
    /// What kept the worker from serving the vectorizer. Each error once, the first twenty.
    pub errors: Vec<String>,
}

impl Report {
    /// What was done for all vectorizers.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.vectorizers.iter().map(|vectorizer| vectorizer.counts).sum()
    }

    /// Source rows whose embeddings were made right.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.counts().rows
    }

    /// Chunks that were written with a new embedding.
    #[must_use]
    pub fn chunks_written(&self) -> u64 {
        self.counts().chunks_written
    }

    /// Rows that stay in the queue because their next attempt is not due yet.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.vectorizers.iter().map(|vectorizer| vectorizer.waiting).sum()
    }

    /// What went wrong: the vectorizer's name and the error.
    pub fn errors(&self) -> impl Iterator<Item = (&str, &str)> {
        self.vectorizers.iter().flat_map(|vectorizer| {
            vectorizer
                .errors
                .iter()
                .map(|error| (vectorizer.name.as_str(), error.as_str()))
        })
    }

    pub(crate) fn add(&mut self, vectorizer: VectorizerReport) {
        match self.vectorizers.binary_search_by_key(&vectorizer.id, |known| known.id) {
            Ok(place) => self.vectorizers[place].add(vectorizer),
            Err(place) => self.vectorizers.insert(place, vectorizer),
        }
    }
}

impl VectorizerReport {
    pub(crate) fn new(id: i32, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn error(&mut self, error: String) {
        if self.errors.len() < MOST_ERRORS && !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    fn add(&mut self, later: Self) {
        self.counts += later.counts;
        self.waiting = later.waiting;
        self.is_unfinished = later.is_unfinished;
        self.index_built |= later.index_built;
        later.errors.into_iter().for_each(|error| self.error(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_kept_once_and_not_without_end() {
        let mut report = VectorizerReport::new(1, "v");
        for number in 0..1_000 {
            report.error(format!("error {}", number / 2));
        }
        assert_eq!(report.errors.len(), MOST_ERRORS);
        assert_eq!(report.errors[1], "error 1");
    }
}

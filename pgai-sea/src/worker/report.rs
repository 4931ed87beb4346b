//! What a run did.

/// A worker may run for months.
const MOST_ERRORS: usize = 20;

/// What [`Worker::run_once`](super::Worker::run_once) or [`Worker::run_until`](super::Worker::run_until) did, vectorizer by vectorizer.
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
    /// Source rows taken off the queue with their embeddings right, deleted and empty ones included.
    pub rows: u64,
    /// Chunks written with a new embedding.
    pub chunks_written: u64,
    /// Chunks that had not changed and kept their embedding.
    pub chunks_kept: u64,
    /// Texts that the provider embedded; fewer than chunks written where rows have equal chunks.
    pub texts: u64,
    /// Requests to the provider.
    pub requests: u64,
    /// Tokens in what the provider was sent, as it counts them; `None` if it did not say.
    pub input_tokens: Option<u64>,
    /// Failed attempts after which the row will be tried again, later.
    pub deferred: u64,
    /// Rows that failed for the last time.
    pub dead_letters: u64,
    /// Rows that the run left in the queue because it is not yet time for their next attempt.
    pub waiting: u64,
    /// Whether the run was stopped ([`Worker::run_once_until`](super::Worker::run_once_until)) while rows were left in the queue.
    pub is_unfinished: bool,
    /// Whether the index over its embeddings was built.
    pub index_built: bool,
    /// What kept the vectorizer from being worked on, each once; the first twenty.
    pub errors: Vec<String>,
}

impl Report {
    /// Source rows whose embeddings were made right.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.vectorizers.iter().map(|vectorizer| vectorizer.rows).sum()
    }

    /// Chunks written with a new embedding.
    #[must_use]
    pub fn chunks_written(&self) -> u64 {
        self.vectorizers
            .iter()
            .map(|vectorizer| vectorizer.chunks_written)
            .sum()
    }

    /// Chunks that kept their embedding.
    #[must_use]
    pub fn chunks_kept(&self) -> u64 {
        self.vectorizers.iter().map(|vectorizer| vectorizer.chunks_kept).sum()
    }

    /// Rows that failed for the last time.
    #[must_use]
    pub fn dead_letters(&self) -> u64 {
        self.vectorizers.iter().map(|vectorizer| vectorizer.dead_letters).sum()
    }

    /// Rows that were left in the queue because it is not yet time for their next attempt.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.vectorizers.iter().map(|vectorizer| vectorizer.waiting).sum()
    }

    /// What went wrong, with the vectorizer's name.
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
        self.rows += later.rows;
        self.chunks_written += later.chunks_written;
        self.chunks_kept += later.chunks_kept;
        self.texts += later.texts;
        self.requests += later.requests;
        self.input_tokens = match (self.input_tokens, later.input_tokens) {
            (Some(tokens), Some(more)) => Some(tokens + more),
            (tokens, more) => tokens.or(more),
        };
        self.deferred += later.deferred;
        self.dead_letters += later.dead_letters;
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

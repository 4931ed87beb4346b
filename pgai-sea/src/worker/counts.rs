//! What a worker did, in numbers that add up.

use std::iter::Sum;
use std::ops::AddAssign;

/// What was done: by a batch, for a vectorizer, by a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Source rows that left the queue with their embeddings right. Deleted and empty rows count.
    pub rows: u64,
    /// Chunks that were written with a new embedding.
    pub chunks_written: u64,
    /// Chunks that had not changed and kept their embedding.
    pub chunks_kept: u64,
    /// Texts that the provider embedded. Rows with equal chunks share a text.
    pub texts: u64,
    /// Requests to the provider.
    pub requests: u64,
    /// Tokens in these requests, as the provider counts them. `None` if it did not say.
    pub input_tokens: Option<u64>,
    /// Failed attempts after which the row will be tried again.
    pub deferred: u64,
    /// Rows that failed for the last time.
    pub dead_letters: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.rows += more.rows;
        self.chunks_written += more.chunks_written;
        self.chunks_kept += more.chunks_kept;
        self.texts += more.texts;
        self.requests += more.requests;
        self.input_tokens = match (self.input_tokens, more.input_tokens) {
            (Some(tokens), Some(more)) => Some(tokens + more),
            (tokens, more) => tokens.or(more),
        };
        self.deferred += more.deferred;
        self.dead_letters += more.dead_letters;
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut sum, counts| {
            sum += counts;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stay_unknown_until_a_provider_counts_them() {
        let counts = |rows, input_tokens| Counts {
            rows,
            input_tokens,
            ..Counts::default()
        };
        let sum = |tokens: &[Option<u64>]| tokens.iter().map(|&tokens| counts(2, tokens)).sum::<Counts>();
        assert_eq!(sum(&[None, None]), counts(4, None));
        assert_eq!(sum(&[None, Some(3), None, Some(4)]), counts(8, Some(7)));
    }
}

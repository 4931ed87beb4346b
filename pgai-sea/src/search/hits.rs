//! A page of hits.

use std::ops::Deref;
use std::vec;

use serde::Serialize;

/// The hits of a search, nearest first: a slice, an iterator, or with [`into_vec`](Self::into_vec) a `Vec`.
///
/// It serializes as the list of its hits. A test of your application can build one from a `Vec`, or collect it:
///
/// ```
/// use pgai_sea::search::{Chunk, Hit, Hits};
///
/// let hits: Hits<Hit<i32>> = (0..3).map(|seq| Hit::new(Chunk::new(7, seq, "text"), 0.1)).collect();
/// assert_eq!((hits.len(), hits.missing()), (3, 0));
/// assert_eq!(hits.with_missing(2).missing(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
#[must_use]
pub struct Hits<H> {
    hits: Vec<H>,
    #[serde(skip)]
    missing: u64,
}

impl<H> Hits<H> {
    /// The same hits with another count of [missing](Self::missing) rows, for tests.
    pub fn with_missing(mut self, missing: u64) -> Self {
        self.missing = missing;
        self
    }

    /// How many rows belong on this page and were not found, because the search was told to give up early.
    ///
    /// It is 0 unless [`max_scan_tuples`](super::Search::max_scan_tuples), [`max_probes`](super::Search::max_probes) or
    /// [`iterative_scan(Off)`](super::Search::iterative_scan) bounded the scan of an index. Every other search that
    /// finds too few rows runs again without the index. For a ranking the number counts other rows, see
    /// [`Ranking::all`](super::Ranking::all).
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// The hits alone.
    #[must_use]
    pub fn into_vec(self) -> Vec<H> {
        self.hits
    }
}

impl<H> Default for Hits<H> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<H> From<Vec<H>> for Hits<H> {
    fn from(hits: Vec<H>) -> Self {
        Self { hits, missing: 0 }
    }
}

impl<H> FromIterator<H> for Hits<H> {
    fn from_iter<I: IntoIterator<Item = H>>(hits: I) -> Self {
        Vec::from_iter(hits).into()
    }
}

impl<H> Deref for Hits<H> {
    type Target = [H];

    fn deref(&self) -> &[H] {
        &self.hits
    }
}

impl<H> IntoIterator for Hits<H> {
    type Item = H;
    type IntoIter = vec::IntoIter<H>;

    fn into_iter(self) -> Self::IntoIter {
        self.hits.into_iter()
    }
}

impl<'a, H> IntoIterator for &'a Hits<H> {
    type Item = &'a H;
    type IntoIter = std::slice::Iter<'a, H>;

    fn into_iter(self) -> Self::IntoIter {
        self.hits.iter()
    }
}

impl<H> From<Hits<H>> for Vec<H> {
    fn from(hits: Hits<H>) -> Self {
        hits.into_vec()
    }
}

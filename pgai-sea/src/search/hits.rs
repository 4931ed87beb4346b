//! A page of hits.

use std::ops::Deref;
use std::vec;

use serde::Serialize;

/// What a search found, the nearest first: a slice, an iterator, or with [`into_vec`](Self::into_vec) a `Vec`.
///
/// Serialized it is the list of its hits.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
#[must_use]
pub struct Hits<H> {
    hits: Vec<H>,
    #[serde(skip)]
    missing: u64,
}

impl<H> Hits<H> {
    pub(super) fn new(hits: Vec<H>, missing: u64) -> Self {
        Self { hits, missing }
    }

    /// How many rows belong on this page but were not found, because the search was told to give up early.
    ///
    /// Always 0 unless [`max_scan_tuples`](super::Search::max_scan_tuples), [`max_probes`](super::Search::max_probes) or
    /// [`iterative_scan(Off)`](super::Search::iterative_scan) bounded the scan of an index: every other search that comes back with
    /// too few rows is repeated without the index. Of a ranking it is another number, see [`Ranking::all`](super::Ranking::all).
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
        Self::new(Vec::new(), 0)
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

//! A page of hits.

use std::ops::Deref;
use std::vec;

use serde::Serialize;

use super::cursor::Cursor;

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
    #[serde(skip)]
    next: Option<Cursor>,
    #[serde(skip)]
    kept_order: Option<String>,
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

    /// Where the next page begins, for [`Search::after`](super::Search::after). `None` on the last page, and for a
    /// search that is not paged by cursors.
    #[must_use]
    pub fn next_cursor(&self) -> Option<&Cursor> {
        self.next.as_ref()
    }

    /// The same hits with another [cursor](Self::next_cursor), for tests.
    pub fn with_next_cursor(mut self, next: impl Into<Option<Cursor>>) -> Self {
        self.next = next.into();
        self
    }

    /// Why the hits are not in the reranker's order, after [`or_keep_order`](super::Ranking::or_keep_order): it failed.
    #[must_use]
    pub fn kept_order(&self) -> Option<&str> {
        self.kept_order.as_deref()
    }

    /// The same hits, not reranked for this reason, for tests.
    pub fn with_kept_order(mut self, reason: impl Into<Option<String>>) -> Self {
        self.kept_order = reason.into();
        self
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
        Self {
            hits,
            missing: 0,
            next: None,
            kept_order: None,
        }
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

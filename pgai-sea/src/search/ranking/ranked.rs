//! A hit with its ranks and scores.

use std::ops::Deref;

use sea_orm::{DbErr, QueryResult};
use serde::Serialize;

#[cfg(feature = "testing")]
use super::columns::{NEAR, PLACE, RANKABLE};
use super::columns::{SCORE, TEXT_RANK, TEXT_SCORE, VECTOR_RANK};
#[cfg(feature = "testing")]
use crate::search::mock::MockRow;
#[cfg(feature = "testing")]
use crate::search::scan::SCANNED;

/// A hit with its ranks and scores. The hit's own fields are there too: `hit.distance`.
///
/// A test of your application can build one:
///
/// ```
/// use pgai_sea::search::{Chunk, Hit, Ranked};
///
/// let mut hit = Ranked::new(Hit::new(Chunk::new(7, 0, "text"), 0.12), 0.0328);
/// hit.text_rank = Some(1);
/// assert_eq!((hit.score, hit.distance, hit.vector_rank), (0.0328, 0.12, None));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ranked<H> {
    /// The score of reciprocal rank fusion: the sum of `weight / (k + rank)` over both ranks.
    pub score: f64,
    /// The rank by distance, from 1. `None`: the hit is not among the nearest of the window, or it is too far away.
    pub vector_rank: Option<u64>,
    /// The rank by full text, from 1. `None`: there was no full-text search, or the hit does not match it.
    pub text_rank: Option<u64>,
    /// The score of the full-text search: PostgreSQL's `ts_rank` for [`FullText::any`](super::FullText::any), BM25 of
    /// an extension, `ts_rank_cd` else.
    pub text_score: Option<f64>,
    /// The reranker's score.
    pub rerank_score: Option<f64>,
    /// The hit.
    #[serde(flatten)]
    pub hit: H,
}

impl<H> Ranked<H> {
    /// A hit with a `score`, for tests. It has no ranks and no other scores; set the fields where they matter.
    pub fn new(hit: H, score: f64) -> Self {
        Self {
            score,
            vector_rank: None,
            text_rank: None,
            text_score: None,
            rerank_score: None,
            hit,
        }
    }

    /// Reads a fused row.
    pub(super) fn read(row: &QueryResult, hit: H) -> Result<Self, DbErr> {
        let rank = |name| Ok::<_, DbErr>(row.try_get::<Option<i64>>("", name)?.map(i64::unsigned_abs));
        Ok(Self {
            vector_rank: rank(VECTOR_RANK)?,
            text_rank: rank(TEXT_RANK)?,
            text_score: row.try_get("", TEXT_SCORE)?,
            ..Self::new(hit, row.try_get("", SCORE)?)
        })
    }

    /// The columns of a row of a `MockDatabase` that says that nothing is missing.
    #[cfg(feature = "testing")]
    pub(in crate::search) fn mock_status(row: &mut MockRow) {
        for name in [RANKABLE, NEAR] {
            row.insert(name.to_owned(), i64::MAX.into());
        }
        row.insert(SCANNED.to_owned(), 0_i64.into());
        row.insert(PLACE.to_owned(), None::<i64>.into());
    }

    /// Those of a row with this hit.
    #[cfg(feature = "testing")]
    pub(in crate::search) fn mock_columns(&self, row: &mut MockRow) {
        let rank = |rank: Option<u64>| rank.and_then(|rank| i64::try_from(rank).ok()).into();
        let columns: [(&str, sea_orm::Value); 5] = [
            (PLACE, 1_i64.into()),
            (SCORE, self.score.into()),
            (VECTOR_RANK, rank(self.vector_rank)),
            (TEXT_RANK, rank(self.text_rank)),
            (TEXT_SCORE, self.text_score.into()),
        ];
        row.extend(columns.map(|(name, value)| (name.to_owned(), value)));
    }

    /// A row that has a rank by its distance alone.
    pub(super) fn nearest(score: f64, rank: u64, hit: H) -> Self {
        Self {
            vector_rank: Some(rank),
            ..Self::new(hit, score)
        }
    }
}

impl<H> Deref for Ranked<H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.hit
    }
}

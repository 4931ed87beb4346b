//! A hit with its ranks and scores.

use std::ops::Deref;

use sea_orm::{DbErr, QueryResult};
use serde::Serialize;

use super::columns::{SCORE, TEXT_RANK, TEXT_SCORE, VECTOR_RANK};

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
    /// The score of the full-text search: PostgreSQL's `ts_rank_cd`.
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

//! A hit with what speaks for it.

use std::ops::Deref;

use sea_orm::{DbErr, QueryResult};
use serde::Serialize;

use super::statement::{SCORE, TEXT_RANK, TEXT_SCORE, VECTOR_RANK};

/// A hit, and why it is where it is. What the hit itself has, its distance among it, is reached directly: `hit.distance`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ranked<H> {
    /// The sum of `weight / (k + rank)` over both ranks: the score of reciprocal rank fusion.
    pub score: f64,
    /// Its rank by distance, from 1. `None`: it is not among the nearest of the window, or too far away.
    pub vector_rank: Option<u64>,
    /// Its rank by full text, from 1. `None`: there was no full-text search, or it does not match.
    pub text_rank: Option<u64>,
    /// What the full-text search gave it: PostgreSQL's `ts_rank_cd`.
    pub text_score: Option<f64>,
    /// What the reranker gave it.
    pub rerank_score: Option<f64>,
    /// The hit.
    #[serde(flatten)]
    pub hit: H,
}

impl<H> Ranked<H> {
    /// Of a row that was fused.
    pub(super) fn read(row: &QueryResult, hit: H) -> Result<Self, DbErr> {
        let rank = |name| Ok::<_, DbErr>(row.try_get::<Option<i64>>("", name)?.map(i64::unsigned_abs));
        Ok(Self {
            score: row.try_get("", SCORE)?,
            vector_rank: rank(VECTOR_RANK)?,
            text_rank: rank(TEXT_RANK)?,
            text_score: row.try_get("", TEXT_SCORE)?,
            rerank_score: None,
            hit,
        })
    }

    /// Of a row that nothing but its distance speaks for.
    pub(super) fn nearest(score: f64, rank: u64, hit: H) -> Self {
        Self {
            score,
            vector_rank: Some(rank),
            text_rank: None,
            text_score: None,
            rerank_score: None,
            hit,
        }
    }
}

impl<H> Deref for Ranked<H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.hit
    }
}

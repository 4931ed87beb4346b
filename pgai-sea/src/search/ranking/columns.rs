//! The names of the columns that a ranking adds to a hit.

/// A row's rank in one leg.
pub(super) const RANK: &str = "rank";
/// The fused score.
pub(super) const SCORE: &str = "score";
pub(super) const VECTOR_RANK: &str = "vector_rank";
pub(super) const TEXT_RANK: &str = "text_rank";
pub(super) const TEXT_SCORE: &str = "text_score";
/// A row's place among all rows, from 1. NULL in the row that reports on a search without hits.
pub(super) const PLACE: &str = "place";
/// How many rows the leg of vectors could rank, and how many of them are near enough.
pub(super) const RANKABLE: &str = "rankable";
pub(super) const NEAR: &str = "near";

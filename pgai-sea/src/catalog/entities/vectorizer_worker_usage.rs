//! `ai.vectorizer_worker_usage`: how fast workers get on with each vectorizer, and what it takes. pgai's own schema has
//! no such table, and only this crate's workers write it.

use sea_orm::entity::prelude::*;

super::entity! {
    /// `ai.vectorizer_worker_usage`.
    "vectorizer_worker_usage"
}

/// One vectorizer's usage.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(entity = Entity)]
pub struct Model {
    /// The vectorizer.
    #[sea_orm(primary_key, auto_increment = false)]
    pub vectorizer_id: i32,
    /// Tokens that were sent, as providers count them. `None` until one has.
    pub input_tokens: Option<i64>,
    /// When a worker last reported.
    pub reported_at: DateTimeWithTimeZone,
    /// When the work began, without a pause, that the last report was a part of.
    pub working_since: DateTimeWithTimeZone,
    /// Rows since then, each counted for less the longer ago it was done.
    #[sea_orm(column_type = "Double")]
    pub recent_rows: f64,
}

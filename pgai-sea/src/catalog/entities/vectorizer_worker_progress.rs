//! `ai.vectorizer_worker_progress`: how far workers got with each vectorizer.

use sea_orm::entity::prelude::*;

super::entity! {
    /// `ai.vectorizer_worker_progress`.
    "vectorizer_worker_progress"
}

/// One vectorizer's progress.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(entity = Entity)]
#[non_exhaustive]
pub struct Model {
    /// The vectorizer.
    #[sea_orm(primary_key, auto_increment = false)]
    pub vectorizer_id: i32,
    /// How many rows were embedded.
    pub success_count: i32,
    /// How many errors there were.
    pub error_count: i32,
    /// When a worker last reported rows.
    pub last_success_at: Option<DateTimeWithTimeZone>,
    /// Which worker.
    pub last_success_process_id: Option<Uuid>,
    /// When a worker last reported an error.
    pub last_error_at: Option<DateTimeWithTimeZone>,
    /// Which error.
    #[sea_orm(column_type = "Text", nullable)]
    pub last_error_message: Option<String>,
    /// Which worker.
    pub last_error_process_id: Option<Uuid>,
}

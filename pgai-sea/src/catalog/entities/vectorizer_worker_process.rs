//! `ai.vectorizer_worker_process`: which workers run, or ran.

use sea_orm::entity::prelude::*;

super::entity! {
    /// `ai.vectorizer_worker_process`.
    "vectorizer_worker_process"
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(entity = Entity)]
#[non_exhaustive]
pub struct Model {
    /// The worker.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Its version.
    pub version: String,
    /// When it started.
    pub started: DateTimeWithTimeZone,
    /// How often it means to report, as PostgreSQL writes an interval: `00:05:00`.
    #[sea_orm(select_as = "text", save_as = "interval")]
    pub expected_heartbeat_interval: String,
    /// When it last did.
    pub last_heartbeat: DateTimeWithTimeZone,
    /// How often it did.
    pub heartbeat_count: i32,
    /// How many errors it had.
    pub error_count: i32,
    /// How many rows it embedded.
    pub success_count: i32,
    /// When it last had an error.
    pub last_error_at: Option<DateTimeWithTimeZone>,
    /// Which.
    #[sea_orm(column_type = "Text", nullable)]
    pub last_error_message: Option<String>,
}

//! `ai.vectorizer`: what vectorizers exist. [`catalog::vectorizers`](crate::catalog::vectorizers) reads it typed.

use sea_orm::entity::prelude::*;

super::entity! {
    /// `ai.vectorizer`.
    "vectorizer"
}

/// One vectorizer.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(entity = Entity)]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// The schema of the table that is embedded.
    pub source_schema: String,
    /// The table that is embedded.
    pub source_table: String,
    /// The columns of its primary key: an array of objects with `attnum`, `pknum`, `attname` and `typname`.
    #[sea_orm(column_type = "JsonBinary")]
    pub source_pk: Json,
    /// The trigger function, in `queue_schema`; the triggers are called after it.
    pub trigger_name: String,
    /// The schema of queue and dead letters.
    pub queue_schema: Option<String>,
    /// The queue.
    pub queue_table: Option<String>,
    /// What it does: see [`Config`](crate::config::Config).
    #[sea_orm(column_type = "JsonBinary")]
    pub config: Json,
    /// Whether workers pass it over.
    pub disabled: bool,
    /// The dead letters.
    pub queue_failed_table: Option<String>,
    /// Its name.
    #[sea_orm(unique)]
    pub name: String,
}

//! `ai.vectorizer_errors`: what went wrong.

use sea_orm::entity::prelude::*;

super::entity! {
    /// `ai.vectorizer_errors`, a view. It has no key; SeaORM wants one named.
    "vectorizer_errors"
}

/// One error.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(entity = Entity)]
#[non_exhaustive]
pub struct Model {
    /// The vectorizer.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// What happened.
    #[sea_orm(column_type = "Text", nullable)]
    pub message: Option<String>,
    /// More of it, as the worker wrote it.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub details: Option<Json>,
    /// When it was written.
    #[sea_orm(primary_key, auto_increment = false)]
    pub recorded: DateTimeWithTimeZone,
    /// The vectorizer's name.
    pub name: Option<String>,
}

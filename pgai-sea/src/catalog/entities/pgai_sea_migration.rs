//! `ai.pgai_sea_migration`: which versions of the schema were installed. pgai's own schema has no such table.

use sea_orm::entity::prelude::*;

super::entity! {
    /// `ai.pgai_sea_migration`.
    "pgai_sea_migration"
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(entity = Entity)]
pub struct Model {
    /// The version of the schema.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    /// When it was installed.
    pub applied_at: DateTimeWithTimeZone,
    /// The functions that it brought, as PostgreSQL writes them.
    pub functions: Vec<String>,
}

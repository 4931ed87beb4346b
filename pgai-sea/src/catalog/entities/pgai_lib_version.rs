//! `ai.pgai_lib_version`: the version of the interface, as pgai's worker looks for it.

use sea_orm::entity::prelude::*;

super::entity! {
    /// `ai.pgai_lib_version`.
    "pgai_lib_version"
}

/// The version of one part.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(entity = Entity)]
pub struct Model {
    /// The part: `ai`.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub name: String,
    /// Its version, which here is that of pgai whose interface this is.
    #[sea_orm(column_type = "Text")]
    pub version: String,
    /// Since when.
    pub installed_at: DateTimeWithTimeZone,
}

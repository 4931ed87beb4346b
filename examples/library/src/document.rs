//! The table `documents`: a row for each file of the folder.

use pgai_sea::Vectorizer;
use sea_orm::entity::prelude::*;

/// A document.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
#[sea_orm(table_name = "documents")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// Where it is.
    #[vectorizer(dimensions = 384, loading = uri("address"))]
    pub address: String,
}

impl ActiveModelBehavior for ActiveModel {}

//! The table `articles`, whose texts are found by what they say.

use pgai_sea::Vectorizer;
use sea_orm::entity::prelude::*;

/// An article.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer, serde::Serialize)]
#[sea_orm(table_name = "articles")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// One line.
    pub title: String,
    /// Plain text.
    #[vectorizer(dimensions = 384)]
    pub body: String,
}

impl ActiveModelBehavior for ActiveModel {}

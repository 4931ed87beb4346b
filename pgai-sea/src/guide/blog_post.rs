use pgai_sea::Vectorizer;
use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
#[sea_orm(table_name = "blog_posts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub title: String,
    #[vectorizer(dimensions = 768)]
    pub content: String,
    pub content_embeddings: HasMany<content_embeddings::Entity>, // optional: eager loading
}

impl ActiveModelBehavior for ActiveModel {}

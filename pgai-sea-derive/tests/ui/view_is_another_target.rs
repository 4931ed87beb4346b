use pgai_sea::Vectorizer;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
#[sea_orm(table_name = "posts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    #[vectorizer(dimensions = 3)]
    pub body: String,
    #[vectorizer(dimensions = 3, target_table = "titles", view_name = "posts_embedding_store")]
    pub title: String,
    #[vectorizer(dimensions = 3, target_table = "posts_embedding", view_name = "found_tags")]
    pub tags: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

fn main() {
    let _ = (body_embeddings::Entity::find(), title_embeddings::Entity::find());
}

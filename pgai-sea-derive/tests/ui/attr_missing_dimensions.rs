use pgai_sea::Vectorizer;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
#[sea_orm(table_name = "posts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    #[vectorizer(name = "bodies", target_table = "bodies", view_name = "bodies_view")]
    pub body: String,
    #[vectorizer(embedding = Embedding::ollama("m", 768), indexing = Indexing::hnsw())]
    pub title: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

fn main() {
    let _ = (bodies::Entity::find(), title_embeddings::Entity::find());
}

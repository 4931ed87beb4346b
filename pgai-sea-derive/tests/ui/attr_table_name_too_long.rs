use pgai_sea::Vectorizer;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
#[sea_orm(table_name = "posts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    #[vectorizer(dimensions = 3, target_table = "the_embeddings_of_the_bodies_of_all_posts_that_were_ever_written")]
    pub body: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

fn main() {
    let _ = body_embeddings::Entity::find().filter(body_embeddings::Column::Id.eq(1));
}

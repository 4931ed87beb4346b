use pgai_sea::Vectorizer;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
#[sea_orm(table_name = "posts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub title: String,
    #[vectorizer(dimensions = 3, formatting = "$titel: $chunk")]
    pub body: String,
    #[vectorizer(
        dimensions = 3,
        target_table = "a",
        view_name = "b",
        formatting = Formatting::python_template("${postTitle} $chunk for $5")
    )]
    #[sea_orm(column_name = "post_title")]
    pub post_title: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

fn main() {
    let _ = body_embeddings::Entity::find().filter(body_embeddings::Column::Id.eq(1));
}

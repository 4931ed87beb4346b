use pgai_sea::Vectorizer;
use pgai_sea::prelude::*;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
#[sea_orm(table_name = "posts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    #[vectorizer(dimensions = 3)]
    pub body: String,
    #[vectorizer(dimensions = 3, target_table = "posts_title_store", view_name = "posts_title")]
    pub title: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

fn main() {
    let _ = Entity::search([1.0, 2.0, 3.0]);
}

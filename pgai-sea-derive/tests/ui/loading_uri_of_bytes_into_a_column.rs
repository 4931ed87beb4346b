use pgai_sea::Vectorizer;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
#[sea_orm(table_name = "manuals")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub body: Option<Vec<u8>>,
    #[vectorizer(dimensions = 3, destination = "column", loading = uri("body"))]
    pub embedding: Option<PgVector>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

fn main() {
    let _ = <Entity as pgai_sea::search::SearchTrait>::search([1.0, 2.0, 3.0]);
}

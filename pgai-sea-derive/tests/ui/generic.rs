//! An entity is one table.

use pgai_sea::Vectorizer;
use sea_orm::FromQueryResult;

#[derive(FromQueryResult, Vectorizer)]
#[sea_orm(table_name = "notes")]
pub struct Model<T: sea_orm::TryGetable> {
    #[sea_orm(primary_key)]
    pub id: i32,
    #[vectorizer(dimensions = 3)]
    pub body: T,
}

fn main() {}

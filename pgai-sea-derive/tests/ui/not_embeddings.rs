use pgai_sea::prelude::*;
use pgai_sea::{CreateVectorizer, Vectorizer};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
#[sea_orm(table_name = "posts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    #[vectorizer(dimensions = 3)]
    pub body: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

mod tag {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "tags")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn dimensions<E: EmbeddingTrait>(_: E) -> usize {
    E::DIMENSIONS
}

fn main() {
    // the source is not what holds the embeddings
    dimensions(Entity);
    // an entity without the derive is not a name
    CreateVectorizer::new(tag::Entity);
    // with it, it knows its table
    CreateVectorizer::new(Entity);
    CreateVectorizer::entity(tag::Entity);
}

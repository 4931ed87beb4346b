use pgai_sea::Vectorizer;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
#[sea_orm(table_name = "posts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    #[vectorizer(
        dimensions = 3,
        chunking = Chunking::recursive_character_text_splitter().chunk_size(100).chunk_overlap(200)
    )]
    pub body: String,
    #[vectorizer(
        dimensions = 3,
        target_table = "titles",
        view_name = "titles_view",
        chunking = pgai_sea::Chunking::character_text_splitter().separator(".").chunk_size(100)
    )]
    pub title: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

fn main() {
    let _ = (body_embeddings::Entity::find(), title_embeddings::Entity::find());
}

// what is wrong, and beside it a companion of the expected name, so that one mistake is one error
#[sea_orm(table_name = "talks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub chunk_seq: i32,
    #[vectorizer(dimensions = 3, formatting = "$titel: $chunk")]
    pub title: String,
}

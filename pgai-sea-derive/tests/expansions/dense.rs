// the two structs that `#[sea_orm::model]` makes of one: the first writes nothing
#[sea_orm(table_name = "blog_posts")]
#[sea_orm(model_ex)]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub title: String,
    #[vectorizer(dimensions = 768)]
    pub content: String,
}

#[sea_orm(table_name = "blog_posts")]
pub struct ModelEx {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub title: String,
    #[vectorizer(dimensions = 768)]
    pub content: String,
    pub content_embeddings: HasMany<content_embeddings::Entity>,
}

// two vectorizers, of which the second says everything; no one companion is the one that is searched
#[sea_orm(table_name = "talks")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    #[vectorizer(
        dimensions = 3,
        name = "titles",
        target_table = "titles",
        view_schema = "views",
        view_name = "talks_and_titles"
    )]
    #[vectorizer(
        dimensions = 4,
        embedding = Embedding::ollama(super::MODEL, 4).keep_alive("5m"),
        chunking = Chunking::none(),
        formatting = "$id: $chunk",
        indexing = pgai_sea::Indexing::hnsw().m(8)
    )]
    pub title: String,
}

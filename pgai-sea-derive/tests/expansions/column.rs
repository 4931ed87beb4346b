#[sea_orm(table_name = "products")]
struct Model {
    #[sea_orm(primary_key)]
    id: i32,
    #[sea_orm(column_name = "label")]
    name: String,
    #[vectorizer(
        dimensions = 384,
        destination = "column",
        loading = "name",
        embedding = Embedding::ollama("all-minilm", 384)
    )]
    embedding: Option<PgVector>,
}

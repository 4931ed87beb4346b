// the key's types and names are the model's, and so is its visibility; the vectors are halved
#[sea_orm(table_name = "translations", schema_name = "app", rename_all = "camelCase")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub post: super::ids::PostId,
    #[sea_orm(primary_key, auto_increment = false, column_type = "custom(\"citext\")", save_as = "citext")]
    pub r#type: String,
    #[vectorizer(dimensions = 3, halfvec, name = "bodies", derives(Hash, serde::Serialize, Mine))]
    pub body: Option<String>,
}

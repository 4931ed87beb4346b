//! The compact format, and names that are not the default ones.

/// A table with two vectorizers.
pub mod note {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    /// A note.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "notes", schema_name = "app", rename_all = "camelCase")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key)]
        pub note_id: i64,
        /// A column whose name is a keyword.
        #[vectorizer(dimensions = 3)]
        pub r#type: String,
        /// A column with two vectorizers.
        #[vectorizer(
            dimensions = 4,
            target_table = "note_titles",
            view_name = "titles",
            derives(serde::Serialize)
        )]
        #[vectorizer(
            dimensions = 8,
            name = "long_titles",
            target_schema = "other",
            target_table = "long_titles",
            view_schema = "views",
            view_name = "long"
        )]
        pub title: Option<String>,
    }

    /// None but the derive's.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use note::{long_titles, title_embeddings, type_embeddings};
use pgai_sea::prelude::EmbeddingTrait;
use sea_orm::IdenStatic;

fn target<E: EmbeddingTrait>(_: E) -> (Option<String>, &'static str, Option<&'static str>, &'static str, usize) {
    let entity = E::default();
    (
        entity.schema_name().map(str::to_owned),
        entity.table_name(),
        E::VIEW_SCHEMA,
        E::VIEW_NAME,
        E::DIMENSIONS,
    )
}

fn serializable<T: serde::Serialize>() {}

#[test]
fn names_are_the_given_ones_or_the_sources() {
    let app = || Some("app".to_owned());
    assert_eq!(
        target(type_embeddings::Entity),
        (app(), "notes_embedding_store", Some("app"), "notes_embedding", 3)
    );
    assert_eq!(
        target(title_embeddings::Entity),
        (app(), "note_titles", Some("app"), "titles", 4)
    );
    assert_eq!(
        target(long_titles::Entity),
        (Some("other".to_owned()), "long_titles", Some("views"), "long", 8)
    );
    assert_eq!(type_embeddings::Column::NoteId.as_str(), "noteId");
    assert_eq!(type_embeddings::Entity::source_column().as_str(), "type");
}

#[test]
fn derives_are_added_to_the_companions_model() {
    serializable::<title_embeddings::Model>();
}

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
            default,
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
use pgai_sea::entity::DeclaredDestination;
use pgai_sea::prelude::{EmbeddingTrait, SearchTrait};
use sea_orm::IdenStatic;

type Names = (Option<String>, &'static str, DeclaredDestination, usize);

/// Of the entity, and as it declares them.
fn target<E: EmbeddingTrait>(_: E) -> Names {
    let entity = E::default();
    (
        entity.schema_name().map(str::to_owned),
        entity.table_name(),
        E::DECLARATION.destination,
        E::DIMENSIONS,
    )
}

const fn table(
    target_schema: &'static str,
    target_table: &'static str,
    view_schema: &'static str,
    view_name: &'static str,
) -> DeclaredDestination {
    DeclaredDestination::Table {
        target_schema: Some(target_schema),
        target_table,
        view_schema: Some(view_schema),
        view_name,
        halfvec: false,
    }
}

fn serializable<T: serde::Serialize>() {}

#[test]
fn names_are_the_given_ones_or_the_sources() {
    let app = || Some("app".to_owned());
    let types = table("app", "notes_embedding_store", "app", "notes_embedding");
    assert_eq!(
        target(type_embeddings::Entity),
        (app(), "notes_embedding_store", types, 3)
    );
    let titles = table("app", "note_titles", "app", "titles");
    assert_eq!(target(title_embeddings::Entity), (app(), "note_titles", titles, 4));
    let long = table("other", "long_titles", "views", "long");
    let other = Some("other".to_owned());
    assert_eq!(target(long_titles::Entity), (other, "long_titles", long, 8));
    assert_eq!(type_embeddings::Column::NoteId.as_str(), "noteId");
    assert_eq!(type_embeddings::Entity::source_column().as_str(), "type");
}

#[test]
fn derives_are_added_to_the_companions_model() {
    serializable::<title_embeddings::Model>();
}

#[test]
fn of_several_vectorizers_the_default_is_searched() {
    let statement = note::Entity::search([0.0, 0.0, 0.0, 1.0]).statement().unwrap();
    assert!(
        statement.sql.contains(r#"FROM "app"."note_titles""#),
        "{}",
        statement.sql
    );
    assert!(statement.sql.contains(r#"JOIN "app"."notes""#), "{}", statement.sql);
}

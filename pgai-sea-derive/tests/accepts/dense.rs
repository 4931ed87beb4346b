//! The dense format, with a field for the loader.

/// A table with a vectorizer.
pub mod blog_post {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    /// A post.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "blog_posts")]
    pub struct Model {
        /// Key.
        #[sea_orm(primary_key)]
        pub id: i32,
        /// Title.
        pub title: String,
        /// Content.
        #[vectorizer(dimensions = 768)]
        pub content: String,
        /// Embeddings.
        pub content_embeddings: HasMany<content_embeddings::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use blog_post::content_embeddings;
use pgai_sea::entity::DeclaredDestination;
use pgai_sea::prelude::{EmbeddingTrait, SearchTrait};
use sea_orm::{EntityName, EntityTrait, JoinType, QuerySelect, RelationTrait, RelationType};

use crate::sql;

#[test]
fn the_companion_knows_its_table_and_its_source() {
    assert_eq!(content_embeddings::Entity::DIMENSIONS, 768);
    assert_eq!(content_embeddings::Entity.schema_name(), None);
    assert_eq!(content_embeddings::Entity.table_name(), "blog_posts_embedding_store");
    let declared = content_embeddings::Entity::DECLARATION.destination;
    let DeclaredDestination::Table { view_name, .. } = declared else {
        panic!("{declared:?}");
    };
    assert_eq!(view_name, "blog_posts_embedding");
    assert!(matches!(
        content_embeddings::Entity::source_column(),
        blog_post::Column::Content
    ));
}

#[test]
fn the_source_knows_its_one_companion() {
    fn companion<E: SearchTrait>(_: E) -> String {
        E::Embeddings::DECLARATION.to_string()
    }
    assert_eq!(companion(blog_post::Entity), "blog_posts.content");
    assert_eq!(companion(content_embeddings::Entity), "blog_posts.content");
}

#[test]
fn relations_have_no_foreign_key() {
    let to_source = <content_embeddings::Entity as sea_orm::Related<blog_post::Entity>>::to();
    let to_embeddings = <blog_post::Entity as sea_orm::Related<content_embeddings::Entity>>::to();
    assert!(to_source.skip_fk && to_embeddings.skip_fk);
    assert!(matches!(to_embeddings.rel_type, RelationType::HasMany));
}

#[test]
fn joins_go_both_ways() {
    let down = sql(&blog_post::Entity::find()
        .select_only()
        .inner_join(content_embeddings::Entity));
    assert!(
        down.ends_with(r#"ON "blog_posts"."id" = "blog_posts_embedding_store"."id""#),
        "{down}"
    );
    let up = content_embeddings::Entity::find()
        .select_only()
        .join(JoinType::LeftJoin, content_embeddings::Relation::Source.def());
    assert!(
        sql(&up).ends_with(r#"ON "blog_posts_embedding_store"."id" = "blog_posts"."id""#),
        "{}",
        sql(&up)
    );
}

/// What the loaders bring is seen on a database; that they take each other's entity is seen here.
#[test]
fn loaders_go_both_ways() {
    let down = format!("{:?}", blog_post::Entity::load().with(content_embeddings::Entity));
    assert!(down.contains("content_embeddings: true"), "{down}");
    let up = format!("{:?}", content_embeddings::Entity::load().with(blog_post::Entity));
    assert!(up.contains("source: true"), "{up}");
}

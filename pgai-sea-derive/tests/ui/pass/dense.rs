//! Design's entity, with the loader's field.
#![deny(warnings, missing_docs, unreachable_pub)]

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
use pgai_sea::entity::EmbeddingTrait;
use sea_orm::{DbBackend, EntityName, EntityTrait, QueryTrait};

fn main() {
    assert_eq!(content_embeddings::Entity::DIMENSIONS, 768);
    assert_eq!(content_embeddings::Entity.table_name(), "blog_posts_embedding_store");
    assert_eq!(content_embeddings::Entity::VIEW_NAME, "blog_posts_embedding");
    let _ = blog_post::Entity::load().with(content_embeddings::Entity);
    let _ = content_embeddings::Entity::load().with(blog_post::Entity);
    let sql = blog_post::Entity::find().find_with_related(content_embeddings::Entity).build(DbBackend::Postgres);
    println!("{sql}");
}

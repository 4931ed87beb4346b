//! Nothing imported but what SeaORM's own derives need, beside names that generated code tends to use.
#![deny(warnings)]
#![allow(dead_code)]

mod std {}
mod core {}
mod alloc {}
mod pgai_sea {}

mod post {
    use sea_orm::{ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, EntityTrait, EnumIter, PrimaryKeyTrait};

    type Result<T, E = sea_orm::DbErr> = ::std::result::Result<T, E>;

    mod pgai_sea {}
    mod core {}
    mod alloc {}
    struct Vec;
    struct Uuid;
    struct PgVector;
    struct Expr;
    trait Default {}
    trait ColumnTrait {}
    trait EntityName {}

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, ::pgai_sea::Vectorizer)]
    #[sea_orm(table_name = "posts")]
    pub(super) struct Model {
        #[sea_orm(primary_key)]
        pub(super) id: i32,
        #[vectorizer(dimensions = 3)]
        pub(super) body: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, sea_orm::DeriveRelation)]
    pub(super) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The dense format, a newtype key, options, and a vector in a column, beside types that have the names of what they
/// need.
mod product {
    use sea_orm::entity::prelude::*; // SeaORM's own dense code asks for it

    type Result<T, E = sea_orm::DbErr> = ::std::result::Result<T, E>;

    mod pgai_sea {}
    mod core {}
    struct Embedding;
    struct Indexing;
    struct Formatting;
    struct Chunking;
    struct CreateVectorizer;
    struct Declaration;
    struct Destination;
    struct SourceTable;
    trait EmbeddingTrait {}
    trait Searched {}
    trait Sealed {}

    #[derive(Clone, Debug, PartialEq, Eq, Hash, sea_orm::DeriveValueType)]
    pub(super) struct Key(pub(super) i32);

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, ::pgai_sea::Vectorizer)]
    #[sea_orm(table_name = "products")]
    pub(super) struct Model {
        #[sea_orm(primary_key)]
        pub(super) id: Key,
        #[vectorizer(
            dimensions = 3,
            embedding = Embedding::ollama("m", 3),
            chunking = Chunking::none(),
            formatting = "$chunk",
            indexing = Indexing::none()
        )]
        pub(super) body: String,
        #[vectorizer(dimensions = 3, destination = "column", embedding = Embedding::ollama("m", 3))]
        pub(super) vector: Option<PgVector>,
        pub(super) body_embeddings: HasMany<body_embeddings::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[test]
fn generated_code_means_what_it_says() {
    assert_eq!(
        <post::body_embeddings::Entity as ::pgai_sea::prelude::EmbeddingTrait>::DIMENSIONS,
        3
    );
    let declared = <product::Entity as ::pgai_sea::EmbeddingTrait>::vectorizer();
    assert!(declared.to_sql().is_ok());
}

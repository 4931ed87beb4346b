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

#[test]
fn generated_code_means_what_it_says() {
    assert_eq!(
        <post::body_embeddings::Entity as ::pgai_sea::prelude::EmbeddingTrait>::DIMENSIONS,
        3
    );
}

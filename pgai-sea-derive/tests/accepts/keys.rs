//! Keys of every kind, whose types mean something only where the model stands.

mod ids {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveValueType)]
    pub(crate) struct PostId(pub(crate) Uuid);

    impl sea_orm::TryFromU64 for PostId {
        fn try_from_u64(_: u64) -> Result<Self, DbErr> {
            Err(DbErr::ConvertFromU64("PostId"))
        }
    }
}

mod translation {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "translations")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub post: super::ids::PostId,
        #[sea_orm(
            primary_key,
            auto_increment = false,
            column_name = "Lang",
            column_type = "custom(\"citext\")",
            select_as = "text",
            save_as = "citext"
        )]
        pub language: String,
        #[sea_orm(primary_key, auto_increment = false, enum_name = "Edition")]
        pub r#ref: i32,
        #[vectorizer(dimensions = 3, name = "bodies")]
        pub body: String,
        #[sea_orm(has_many)]
        pub bodies: HasMany<bodies::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod page {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "pages")]
    struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        url: String,
        #[vectorizer(dimensions = 3)]
        text: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    pub(super) fn search() -> String {
        let select = text_embeddings::Entity::find().filter(text_embeddings::Column::Url.eq("a"));
        sea_orm::QueryTrait::build(&select, sea_orm::DbBackend::Postgres).to_string()
    }
}

use pgai_sea::prelude::EmbeddingTrait;
use sea_orm::{ColumnTrait, EntityTrait, IdenStatic, QueryFilter};
use translation::bodies;

use crate::sql;

#[test]
fn a_composite_key_joins_on_all_of_it() {
    let keys: Vec<_> = bodies::Entity::key_columns().iter().map(IdenStatic::as_str).collect();
    assert_eq!(keys, ["post", "Lang", "edition"]);
    let select = translation::Entity::find().inner_join(bodies::Entity);
    let sql = sql(&select);
    let (_, joined) = sql.split_once("INNER JOIN ").unwrap();
    assert_eq!(
        joined,
        concat!(
            r#""translations_embedding_store" ON "translations"."post" = "#,
            r#""translations_embedding_store"."post" AND "translations"."Lang" = "#,
            r#""translations_embedding_store"."Lang" AND "translations"."edition" = "#,
            r#""translations_embedding_store"."edition""#,
        )
    );
}

#[test]
fn a_key_is_converted_as_in_its_source() {
    let sql = sql(&bodies::Entity::find().filter(bodies::Column::Language.eq("de")));
    assert!(
        sql.ends_with(r#"WHERE "translations_embedding_store"."Lang" = CAST('de' AS citext)"#),
        "{sql}"
    );
    assert!(
        sql.contains(r#"CAST("translations_embedding_store"."Lang" AS text)"#),
        "{sql}"
    );
}

#[test]
fn a_private_model_has_a_private_companion() {
    assert!(
        page::search().ends_with(r#"WHERE "pages_embedding_store"."url" = 'a'"#),
        "{}",
        page::search()
    );
}

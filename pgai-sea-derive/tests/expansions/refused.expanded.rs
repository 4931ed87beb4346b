::core::compile_error! {
    "the key column `chunk_seq` has the name of a column of the target table: rename it in the database"
}
::core::compile_error! {
    "`$titel` is no column of `talks`: there are `id`, `chunk_seq`, `title` and `$chunk`, named as in the database"
}
#[doc(hidden)]
type __PgaiSeaIdKey = i32;
/// The embeddings of `talks.title`, one row per chunk. Written by `#[derive(Vectorizer)]`.
pub mod title_embeddings {
    use ::pgai_sea::__private::sea_orm;
    use ::pgai_sea::__private::sea_orm::entity::prelude::*;
    use ::std;
    use ::std::prelude::rust_2024::*;
    /// The table `talks_embedding_store`, which a vectorizer fills.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Entity;
    #[automatically_derived]
    impl EntityName for Entity {
        fn schema_name(&self) -> ::core::option::Option<&str> {
            ::core::option::Option::None
        }
        fn table_name(&self) -> &'static str {
            "talks_embedding_store"
        }
    }
    #[automatically_derived]
    impl EntityTrait for Entity {
        type Model = Model;
        type ModelEx = Model;
        type ActiveModel = ActiveModel;
        type ActiveModelEx = ActiveModel;
        type Column = Column;
        type Relation = Relation;
        type PrimaryKey = PrimaryKey;
    }
    #[automatically_derived]
    impl Iden for Entity {
        fn unquoted(&self) -> &str {
            "talks_embedding_store"
        }
    }
    #[automatically_derived]
    impl IdenStatic for Entity {
        fn as_str(&self) -> &'static str {
            "talks_embedding_store"
        }
    }
    /// One chunk of a row's text, and its vector.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(entity = Entity)]
    pub struct Model {
        /// The embedding's own key.
        #[sea_orm(
            primary_key,
            auto_increment = false,
            default_expr = "Expr::cust(\"gen_random_uuid()\")"
        )]
        pub embedding_uuid: Uuid,
        /// `id` of the row that was embedded.
        #[sea_orm(column_name = "id", enum_name = "Id")]
        pub id: super::__PgaiSeaIdKey,
        /// The chunk's place in its row, from 0.
        pub chunk_seq: i32,
        /// The text that was embedded.
        #[sea_orm(column_type = "Text")]
        pub chunk: String,
        /// The vector.
        #[sea_orm(column_type = "Vector(Some(3))")]
        pub embedding: PgVector,
    }
    /// The relations of the target table. No foreign key stands behind them.
    #[derive(Clone, Copy, Debug, EnumIter)]
    pub enum Relation {
        /// The row that was embedded.
        Source,
    }
    #[automatically_derived]
    impl RelationTrait for Relation {
        fn def(&self) -> RelationDef {
            Entity::belongs_to(super::Entity)
                .from(Column::Id)
                .to(super::Column::Id)
                .skip_fk()
                .into()
        }
    }
    #[automatically_derived]
    impl Related<super::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Source.def()
        }
    }
    /// The related entities, for `seaography`.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelatedEntity)]
    pub enum RelatedEntity {
        /// The row that was embedded.
        #[sea_orm(entity = "super::Entity")]
        Source,
    }
    #[automatically_derived]
    impl ActiveModelBehavior for ActiveModel {}
}
#[automatically_derived]
impl ::pgai_sea::__private::sea_orm::Related<title_embeddings::Entity> for Entity {
    fn to() -> ::pgai_sea::__private::sea_orm::RelationDef {
        ::core::convert::Into::into(
            <Entity as ::pgai_sea::__private::sea_orm::EntityTrait>::has_many(
                    title_embeddings::Entity,
                )
                .skip_fk(),
        )
    }
}
#[automatically_derived]
impl ::pgai_sea::__private::Sealed for title_embeddings::Entity {}
#[automatically_derived]
impl ::pgai_sea::__private::EmbeddingTrait for title_embeddings::Entity {
    type Source = Entity;
    const DECLARATION: ::pgai_sea::__private::Declaration = ::pgai_sea::__private::Declaration::new(
        ::core::concat!(::core::module_path!(), "::", "title_embeddings"),
        (::core::option::Option::None, "talks"),
        "title",
        3u32,
        ::pgai_sea::__private::DeclaredDestination::Table {
            target_schema: ::core::option::Option::None,
            target_table: "talks_embedding_store",
            view_schema: ::core::option::Option::None,
            view_name: "talks_embedding",
            halfvec: false,
        },
        <Self as ::pgai_sea::__private::EmbeddingTrait>::vectorizer,
    );
    fn vectorizer() -> ::pgai_sea::CreateVectorizer {
        ::pgai_sea::__private::declared(
            &<Self as ::pgai_sea::__private::EmbeddingTrait>::DECLARATION,
        )
    }
    fn source_column() -> Column {
        Column::Title
    }
    fn embedding_column() -> title_embeddings::Column {
        title_embeddings::Column::Embedding
    }
    fn key_columns() -> ::std::vec::Vec<title_embeddings::Column> {
        ::std::vec![title_embeddings::Column::Id]
    }
    fn uuid_column() -> ::core::option::Option<title_embeddings::Column> {
        ::core::option::Option::Some(title_embeddings::Column::EmbeddingUuid)
    }
    fn chunk_seq_column() -> ::core::option::Option<title_embeddings::Column> {
        ::core::option::Option::Some(title_embeddings::Column::ChunkSeq)
    }
    fn chunk_column() -> ::core::option::Option<title_embeddings::Column> {
        ::core::option::Option::Some(title_embeddings::Column::Chunk)
    }
    fn source_relation() -> ::core::option::Option<
        ::pgai_sea::__private::sea_orm::RelationDef,
    > {
        ::core::option::Option::Some(
            <title_embeddings::Entity as ::pgai_sea::__private::sea_orm::Related<
                Entity,
            >>::to(),
        )
    }
}
#[automatically_derived]
impl ::pgai_sea::__private::Searched for title_embeddings::Entity {
    type Embeddings = Self;
    type Projection = ::pgai_sea::__private::Chunks;
}
::pgai_sea::__private::register! {
    ::pgai_sea::__private::Registered(& < title_embeddings::Entity as
    ::pgai_sea::__private::EmbeddingTrait > ::DECLARATION)
}
#[automatically_derived]
impl ::pgai_sea::__private::Searched for Entity {
    type Embeddings = title_embeddings::Entity;
    type Projection = ::pgai_sea::__private::WithSource;
    const BEST_PER_SOURCE: bool = true;
}
#[automatically_derived]
impl ::core::convert::From<Entity> for ::pgai_sea::__private::SourceTable {
    fn from(entity: Entity) -> Self {
        ::pgai_sea::__private::SourceTable::entity(entity)
    }
}

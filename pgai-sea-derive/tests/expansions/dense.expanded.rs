#[doc(hidden)]
type __PgaiSeaIdKey = i32;
/// The embeddings of `blog_posts.content`, one row per chunk. Written by `#[derive(Vectorizer)]`.
pub mod content_embeddings {
    use ::pgai_sea::__private::sea_orm;
    use ::pgai_sea::__private::sea_orm::entity::prelude::*;
    use ::std;
    use ::std::prelude::rust_2024::*;
    /// The table `blog_posts_embedding_store`, which a vectorizer fills.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Entity;
    #[automatically_derived]
    impl EntityName for Entity {
        fn schema_name(&self) -> ::core::option::Option<&str> {
            ::core::option::Option::None
        }
        fn table_name(&self) -> &'static str {
            "blog_posts_embedding_store"
        }
    }
    #[automatically_derived]
    impl EntityTrait for Entity {
        type Model = Model;
        type ModelEx = ModelEx;
        type ActiveModel = ActiveModel;
        type ActiveModelEx = ActiveModelEx;
        type Column = Column;
        type Relation = Relation;
        type PrimaryKey = PrimaryKey;
    }
    #[automatically_derived]
    impl Iden for Entity {
        fn unquoted(&self) -> &str {
            "blog_posts_embedding_store"
        }
    }
    #[automatically_derived]
    impl IdenStatic for Entity {
        fn as_str(&self) -> &'static str {
            "blog_posts_embedding_store"
        }
    }
    /// One chunk of a row's text, and its vector.
    #[::pgai_sea::__private::sea_orm::compact_model]
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
        #[sea_orm(column_type = "Vector(Some(768))")]
        pub embedding: PgVector,
        /// The row that was embedded, when the loader was told to bring it.
        pub source: BelongsTo<super::Entity>,
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
impl ::pgai_sea::__private::sea_orm::Related<content_embeddings::Entity> for Entity {
    fn to() -> ::pgai_sea::__private::sea_orm::RelationDef {
        ::core::convert::Into::into(
            <Entity as ::pgai_sea::__private::sea_orm::EntityTrait>::has_many(
                    content_embeddings::Entity,
                )
                .skip_fk(),
        )
    }
}
#[automatically_derived]
impl ::pgai_sea::__private::Sealed for content_embeddings::Entity {}
#[automatically_derived]
impl ::pgai_sea::__private::EmbeddingTrait for content_embeddings::Entity {
    type Source = Entity;
    const DECLARATION: ::pgai_sea::__private::Declaration = ::pgai_sea::__private::Declaration::new(
        ::core::concat!(::core::module_path!(), "::", "content_embeddings"),
        (::core::option::Option::None, "blog_posts"),
        "content",
        768u32,
        ::pgai_sea::__private::DeclaredDestination::Table {
            target_schema: ::core::option::Option::None,
            target_table: "blog_posts_embedding_store",
            view_schema: ::core::option::Option::None,
            view_name: "blog_posts_embedding",
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
        Column::Content
    }
    fn embedding_column() -> content_embeddings::Column {
        content_embeddings::Column::Embedding
    }
    fn key_columns() -> ::std::vec::Vec<content_embeddings::Column> {
        ::std::vec![content_embeddings::Column::Id]
    }
    fn uuid_column() -> ::core::option::Option<content_embeddings::Column> {
        ::core::option::Option::Some(content_embeddings::Column::EmbeddingUuid)
    }
    fn chunk_seq_column() -> ::core::option::Option<content_embeddings::Column> {
        ::core::option::Option::Some(content_embeddings::Column::ChunkSeq)
    }
    fn chunk_column() -> ::core::option::Option<content_embeddings::Column> {
        ::core::option::Option::Some(content_embeddings::Column::Chunk)
    }
    fn source_relation() -> ::core::option::Option<
        ::pgai_sea::__private::sea_orm::RelationDef,
    > {
        ::core::option::Option::Some(
            <content_embeddings::Entity as ::pgai_sea::__private::sea_orm::Related<
                Entity,
            >>::to(),
        )
    }
}
#[automatically_derived]
impl ::pgai_sea::__private::Searched for content_embeddings::Entity {
    type Embeddings = Self;
    type Projection = ::pgai_sea::__private::Chunks;
}
::pgai_sea::__private::register! {
    ::pgai_sea::__private::Registered(& < content_embeddings::Entity as
    ::pgai_sea::__private::EmbeddingTrait > ::DECLARATION)
}
#[automatically_derived]
impl ::pgai_sea::__private::Searched for Entity {
    type Embeddings = content_embeddings::Entity;
    type Projection = ::pgai_sea::__private::WithSource;
    const BEST_PER_SOURCE: bool = true;
}
#[automatically_derived]
impl ::core::convert::From<Entity> for ::pgai_sea::__private::SourceTable {
    fn from(entity: Entity) -> Self {
        ::pgai_sea::__private::SourceTable::entity(entity)
    }
}

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
    #[automatically_derived]
    impl ::pgai_sea::__private::EmbeddingTrait for Entity {
        type Source = super::Entity;
        const DIMENSIONS: usize = 768usize;
        const VIEW_SCHEMA: ::core::option::Option<&'static str> = ::core::option::Option::None;
        const VIEW_NAME: &'static str = "blog_posts_embedding";
        fn source_column() -> super::Column {
            super::Column::Content
        }
        fn uuid_column() -> Column {
            Column::EmbeddingUuid
        }
        fn key_columns() -> ::std::vec::Vec<Column> {
            ::std::vec![Column::Id]
        }
        fn chunk_seq_column() -> Column {
            Column::ChunkSeq
        }
        fn chunk_column() -> Column {
            Column::Chunk
        }
        fn embedding_column() -> Column {
            Column::Embedding
        }
        fn source_relation() -> RelationDef {
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
impl ::pgai_sea::__private::VectorizedTrait for content_embeddings::Entity {
    const DECLARATION: ::pgai_sea::__private::Declaration = ::pgai_sea::__private::Declaration {
        module: ::core::concat!(::core::module_path!(), "::", "content_embeddings"),
        source_schema: ::core::option::Option::None,
        source_table: "blog_posts",
        loading_column: "content",
        dimensions: 768u32,
        destination: ::pgai_sea::__private::DeclaredDestination::Table {
            target_schema: ::core::option::Option::None,
            target_table: "blog_posts_embedding_store",
            view_schema: ::core::option::Option::None,
            view_name: "blog_posts_embedding",
        },
        vectorizer: <content_embeddings::Entity as ::pgai_sea::__private::VectorizedTrait>::vectorizer,
    };
    fn vectorizer() -> ::pgai_sea::CreateVectorizer {
        ::pgai_sea::__private::declared(
            &<Self as ::pgai_sea::__private::VectorizedTrait>::DECLARATION,
        )
    }
}
::pgai_sea::__private::register! {
    ::pgai_sea::__private::Registered(& < content_embeddings::Entity as
    ::pgai_sea::__private::VectorizedTrait > ::DECLARATION)
}
#[automatically_derived]
impl ::pgai_sea::__private::SearchedByTrait for Entity {
    type Embeddings = content_embeddings::Entity;
}

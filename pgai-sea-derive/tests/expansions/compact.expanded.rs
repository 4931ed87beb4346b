#[doc(hidden)]
type __PgaiSeaPostKey = super::ids::PostId;
#[doc(hidden)]
type __PgaiSeaTypeKey = String;
/// The embeddings of `translations.body`, one row per chunk. Written by `#[derive(Vectorizer)]`.
pub(crate) mod bodies {
    use ::pgai_sea::__private::sea_orm;
    use ::pgai_sea::__private::sea_orm::entity::prelude::*;
    use ::std;
    use ::std::prelude::rust_2024::*;
    /// The table `translations_embedding_store`, which a vectorizer fills.
    #[derive(Clone, Copy, Debug, Default)]
    pub(crate) struct Entity;
    #[automatically_derived]
    impl EntityName for Entity {
        fn schema_name(&self) -> ::core::option::Option<&str> {
            ::core::option::Option::Some("app")
        }
        fn table_name(&self) -> &'static str {
            "translations_embedding_store"
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
            "translations_embedding_store"
        }
    }
    #[automatically_derived]
    impl IdenStatic for Entity {
        fn as_str(&self) -> &'static str {
            "translations_embedding_store"
        }
    }
    /// One chunk of a row's text, and its vector.
    #[derive(
        Clone,
        Debug,
        PartialEq,
        DeriveEntityModel,
        Hash,
        serde::Serialize,
        super::Mine
    )]
    #[sea_orm(entity = Entity)]
    pub(crate) struct Model {
        /// The embedding's own key.
        #[sea_orm(
            primary_key,
            auto_increment = false,
            default_expr = "Expr::cust(\"gen_random_uuid()\")"
        )]
        pub embedding_uuid: Uuid,
        /// `post` of the row that was embedded.
        #[sea_orm(column_name = "post", enum_name = "Post")]
        pub post: super::__PgaiSeaPostKey,
        /// `type` of the row that was embedded.
        #[sea_orm(
            column_name = "type",
            enum_name = "Type",
            column_type = "custom(\"citext\")",
            save_as = "citext"
        )]
        pub r#type: super::__PgaiSeaTypeKey,
        /// The chunk's place in its row, from 0.
        pub chunk_seq: i32,
        /// The text that was embedded.
        #[sea_orm(column_type = "Text")]
        pub chunk: String,
        /// The vector.
        #[sea_orm(column_type = "custom(\"halfvec(3)\")", select_as = "halfvec")]
        pub embedding: ::pgai_sea::__private::HalfVec,
    }
    /// The relations of the target table. No foreign key stands behind them.
    #[derive(Clone, Copy, Debug, EnumIter)]
    pub(crate) enum Relation {
        /// The row that was embedded.
        Source,
    }
    #[automatically_derived]
    impl RelationTrait for Relation {
        fn def(&self) -> RelationDef {
            Entity::belongs_to(super::Entity)
                .from((Column::Post, Column::Type))
                .to((super::Column::Post, super::Column::Type))
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
    pub(crate) enum RelatedEntity {
        /// The row that was embedded.
        #[sea_orm(entity = "super::Entity")]
        Source,
    }
    #[automatically_derived]
    impl ActiveModelBehavior for ActiveModel {}
}
#[automatically_derived]
impl ::pgai_sea::__private::sea_orm::Related<bodies::Entity> for Entity {
    fn to() -> ::pgai_sea::__private::sea_orm::RelationDef {
        ::core::convert::Into::into(
            <Entity as ::pgai_sea::__private::sea_orm::EntityTrait>::has_many(
                    bodies::Entity,
                )
                .skip_fk(),
        )
    }
}
#[automatically_derived]
impl ::pgai_sea::__private::Sealed for bodies::Entity {}
#[automatically_derived]
impl ::pgai_sea::__private::EmbeddingTrait for bodies::Entity {
    type Source = Entity;
    const DECLARATION: ::pgai_sea::__private::Declaration = ::pgai_sea::__private::Declaration::new(
        ::core::concat!(::core::module_path!(), "::", "bodies"),
        (::core::option::Option::Some("app"), "translations"),
        "body",
        3u32,
        ::pgai_sea::__private::DeclaredDestination::Table {
            target_schema: ::core::option::Option::Some("app"),
            target_table: "translations_embedding_store",
            view_schema: ::core::option::Option::Some("app"),
            view_name: "translations_embedding",
            halfvec: true,
        },
        <Self as ::pgai_sea::__private::EmbeddingTrait>::vectorizer,
    );
    fn vectorizer() -> ::pgai_sea::CreateVectorizer {
        ::pgai_sea::__private::declared(
                &<Self as ::pgai_sea::__private::EmbeddingTrait>::DECLARATION,
            )
            .destination(::pgai_sea::Destination::table().halfvec())
    }
    fn source_column() -> Column {
        Column::Body
    }
    fn embedding_column() -> bodies::Column {
        bodies::Column::Embedding
    }
    fn key_columns() -> ::std::vec::Vec<bodies::Column> {
        ::std::vec![bodies::Column::Post, bodies::Column::Type]
    }
    fn uuid_column() -> ::core::option::Option<bodies::Column> {
        ::core::option::Option::Some(bodies::Column::EmbeddingUuid)
    }
    fn chunk_seq_column() -> ::core::option::Option<bodies::Column> {
        ::core::option::Option::Some(bodies::Column::ChunkSeq)
    }
    fn chunk_column() -> ::core::option::Option<bodies::Column> {
        ::core::option::Option::Some(bodies::Column::Chunk)
    }
    fn source_relation() -> ::core::option::Option<
        ::pgai_sea::__private::sea_orm::RelationDef,
    > {
        ::core::option::Option::Some(
            <bodies::Entity as ::pgai_sea::__private::sea_orm::Related<Entity>>::to(),
        )
    }
}
#[automatically_derived]
impl ::pgai_sea::__private::Searched for bodies::Entity {
    type Embeddings = Self;
    type Projection = ::pgai_sea::__private::Chunks;
}
::pgai_sea::__private::register! {
    ::pgai_sea::__private::Registered(& < bodies::Entity as
    ::pgai_sea::__private::EmbeddingTrait > ::DECLARATION)
}
#[automatically_derived]
impl ::pgai_sea::__private::Searched for Entity {
    type Embeddings = bodies::Entity;
    type Projection = ::pgai_sea::__private::WithSource;
    const BEST_PER_SOURCE: bool = true;
}
#[automatically_derived]
impl ::core::convert::From<Entity> for ::pgai_sea::__private::SourceTable {
    fn from(entity: Entity) -> Self {
        ::pgai_sea::__private::SourceTable::entity(entity)
    }
}

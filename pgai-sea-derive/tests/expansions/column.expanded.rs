#[doc(hidden)]
type __PgaiSeaIdKey = i32;
#[automatically_derived]
impl ::pgai_sea::__private::Sealed for Entity {}
#[automatically_derived]
impl ::pgai_sea::__private::EmbeddingTrait for Entity {
    type Source = Self;
    const DECLARATION: ::pgai_sea::__private::Declaration = ::pgai_sea::__private::Declaration::new(
        ::core::module_path!(),
        (::core::option::Option::None, "products"),
        "label",
        384u32,
        ::pgai_sea::__private::DeclaredDestination::Column {
            embedding_column: "embedding",
        },
        <Self as ::pgai_sea::__private::EmbeddingTrait>::vectorizer,
    );
    fn vectorizer() -> ::pgai_sea::CreateVectorizer {
        ::pgai_sea::__private::declared(
                &<Self as ::pgai_sea::__private::EmbeddingTrait>::DECLARATION,
            )
            .destination(::pgai_sea::Destination::column("embedding"))
            .chunking(::pgai_sea::Chunking::none())
            .embedding({
                #[allow(unused_imports)]
                use ::pgai_sea::Embedding;
                Embedding::ollama("all-minilm", 384)
            })
    }
    fn source_column() -> <Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column {
        <Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column::Name
    }
    fn embedding_column() -> <Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column {
        <Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column::Embedding
    }
    fn key_columns() -> ::std::vec::Vec<
        <Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column,
    > {
        ::std::vec![< Self as ::pgai_sea::__private::sea_orm::EntityTrait > ::Column::Id]
    }
}
::pgai_sea::__private::register! {
    ::pgai_sea::__private::Registered(& < Entity as ::pgai_sea::__private::EmbeddingTrait
    > ::DECLARATION)
}
#[automatically_derived]
impl ::pgai_sea::__private::Searched for Entity {
    type Embeddings = Entity;
    type Projection = ::pgai_sea::__private::SourceRows;
}
#[automatically_derived]
impl ::core::convert::From<Entity> for ::pgai_sea::__private::SourceTable {
    fn from(entity: Entity) -> Self {
        ::pgai_sea::__private::SourceTable::entity(entity)
    }
}

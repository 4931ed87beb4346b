#[doc(hidden)]
type __PgaiSeaIdKey = i32;
#[automatically_derived]
impl ::pgai_sea::__private::SearchableTrait for Entity {
    type Projection = ::pgai_sea::__private::SourceRows;
    type Source = Self;
    const DIMENSIONS: usize = 384usize;
    fn embedding_column() -> <Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column {
        <Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column::Embedding
    }
    fn source_key() -> ::std::vec::Vec<
        <Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column,
    > {
        ::pgai_sea::__private::primary_key::<Self>()
    }
}
#[automatically_derived]
impl ::pgai_sea::__private::VectorizedTrait for Entity {
    const DECLARATION: ::pgai_sea::__private::Declaration = ::pgai_sea::__private::Declaration {
        module: ::core::module_path!(),
        source_schema: ::core::option::Option::None,
        source_table: "products",
        loading_column: "label",
        dimensions: 384u32,
        destination: ::pgai_sea::__private::DeclaredDestination::Column {
            embedding_column: "embedding",
        },
        vectorizer: <Entity as ::pgai_sea::__private::VectorizedTrait>::vectorizer,
    };
    fn vectorizer() -> ::pgai_sea::CreateVectorizer {
        ::pgai_sea::__private::declared(
                &<Self as ::pgai_sea::__private::VectorizedTrait>::DECLARATION,
            )
            .destination(::pgai_sea::Destination::column("embedding"))
            .chunking(::pgai_sea::Chunking::none())
            .embedding({
                #[allow(unused_imports)]
                use ::pgai_sea::Embedding;
                Embedding::ollama("all-minilm", 384)
            })
    }
}
::pgai_sea::__private::register! {
    ::pgai_sea::__private::Registered(& < Entity as
    ::pgai_sea::__private::VectorizedTrait > ::DECLARATION)
}

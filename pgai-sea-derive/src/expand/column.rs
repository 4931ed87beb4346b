//! A column destination: the entity itself holds the embeddings.

use proc_macro2::TokenStream;
use quote::quote;

use super::{declared, never};
use crate::ast::{Entity, Vectorizer};

/// `EmbeddingTrait` for the model's own entity.
pub(super) fn embedding_trait(entity: &Entity, vectorizer: &Vectorizer) -> TokenStream {
    let column = |variant| quote!(<Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column::#variant);
    let embedding = if vectorizer.not_a_column.is_some() {
        never()
    } else {
        column(&vectorizer.variant)
    };
    let source = entity
        .loaded(vectorizer)
        .map_or_else(never, |loaded| column(&loaded.variant));
    let keys = entity.keys.iter().map(|key| column(&key.variant));
    let declared = declared::items(entity, vectorizer);
    quote! {
        #[automatically_derived]
        impl ::pgai_sea::__private::Sealed for Entity {}

        #[automatically_derived]
        impl ::pgai_sea::__private::EmbeddingTrait for Entity {
            type Source = Self;

            #declared

            fn source_column() -> <Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column {
                #source
            }

            fn embedding_column() -> <Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column {
                #embedding
            }

            fn key_columns() -> ::std::vec::Vec<<Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column> {
                ::std::vec![#(#keys),*]
            }
        }
    }
}

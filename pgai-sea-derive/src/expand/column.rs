//! A column destination: the entity itself is what is searched.

use proc_macro2::TokenStream;
use quote::quote;

use super::never;
use crate::ast::Vectorizer;

pub(super) fn searchable(vectorizer: &Vectorizer) -> TokenStream {
    let dimensions = vectorizer.attr.dimensions as usize;
    let variant = &vectorizer.variant;
    let column = if vectorizer.not_a_column.is_some() {
        never()
    } else {
        quote!(<Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column::#variant)
    };
    quote! {
        #[automatically_derived]
        impl ::pgai_sea::__private::SearchableTrait for Entity {
            type Projection = ::pgai_sea::__private::SourceRows;
            type Source = Self;

            const DIMENSIONS: usize = #dimensions;

            fn embedding_column() -> <Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column {
                #column
            }

            fn source_key() -> ::std::vec::Vec<<Self as ::pgai_sea::__private::sea_orm::EntityTrait>::Column> {
                ::pgai_sea::__private::primary_key::<Self>()
            }
        }
    }
}

//! The code, and only the code: decisions are made before.
//!
//! What stands beside the model, in a scope that is the user's, names absolute paths alone.

mod column;
mod companion;
mod declared;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::Ident;

use crate::ast::{Entity, Key, Vectorizer};

/// Everything for one entity.
pub(crate) fn entity(entity: &Entity) -> TokenStream {
    let aliases = entity.keys.iter().map(key_alias);
    let vectorizers = entity
        .vectorizers
        .iter()
        .map(|vectorizer| self::vectorizer(entity, vectorizer));
    let searched_by = searched_by(entity);
    quote! {
        #(#aliases)*
        #(#vectorizers)*
        #searched_by
    }
}

/// A key's type is written in the model's scope, and may mean nothing, or something else, in the companion's.
fn key_alias(key: &Key) -> TokenStream {
    let (alias, ty) = (alias_ident(key), &key.ty);
    quote! {
        #[doc(hidden)]
        type #alias = #ty;
    }
}

/// Not of the field's span: lints about its name are for the field's own places.
fn alias_ident(key: &Key) -> Ident {
    format_ident!("__PgaiSea{}Key", key.variant, span = Span::call_site())
}

fn vectorizer(entity: &Entity, vectorizer: &Vectorizer) -> TokenStream {
    let declared = declared::implementation(entity, vectorizer);
    if vectorizer.in_column() {
        let searchable = column::searchable(vectorizer);
        return quote!(#searchable #declared);
    }
    let companion = companion::module(entity, vectorizer);
    let related = (!entity.relates_already(vectorizer)).then(|| related_to_companion(entity, vectorizer));
    quote!(#companion #related #declared)
}

/// The one companion through which the model's entity is searched. Of several, only its user knows which.
fn searched_by(entity: &Entity) -> Option<TokenStream> {
    let [vectorizer] = entity.vectorizers.as_slice() else {
        return None;
    };
    let module = &vectorizer.module;
    (!vectorizer.in_column()).then(|| {
        quote! {
            #[automatically_derived]
            impl ::pgai_sea::__private::SearchedByTrait for Entity {
                type Embeddings = #module::Entity;
            }
        }
    })
}

/// `Related<companion>` for the model's entity.
fn related_to_companion(entity: &Entity, vectorizer: &Vectorizer) -> TokenStream {
    let module = &vectorizer.module;
    let definition = if entity.keys.is_empty() {
        never()
    } else {
        quote! {
            ::core::convert::Into::into(
                <Entity as ::pgai_sea::__private::sea_orm::EntityTrait>::has_many(#module::Entity).skip_fk()
            )
        }
    };
    quote! {
        #[automatically_derived]
        impl ::pgai_sea::__private::sea_orm::Related<#module::Entity> for Entity {
            fn to() -> ::pgai_sea::__private::sea_orm::RelationDef {
                #definition
            }
        }
    }
}

fn option(text: Option<&str>) -> TokenStream {
    text.map_or_else(
        || quote!(::core::option::Option::None),
        |text| quote!(::core::option::Option::Some(#text)),
    )
}

/// For an entity that is refused: `compile_error!` stands beside it.
fn never() -> TokenStream {
    quote!(::core::unreachable!())
}

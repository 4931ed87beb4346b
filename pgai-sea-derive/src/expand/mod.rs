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
    let (searched, source_table) = (searched(entity), source_table());
    quote! {
        #(#aliases)*
        #(#vectorizers)*
        #searched
        #source_table
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
    let registered = declared::registered(vectorizer);
    if vectorizer.in_column() {
        let embeddings = column::embedding_trait(entity, vectorizer);
        return quote!(#embeddings #registered);
    }
    let companion = companion::module(entity, vectorizer);
    let traits = companion::traits(entity, vectorizer);
    let related = (!entity.relates_already(vectorizer)).then(|| related_to_companion(entity, vectorizer));
    quote!(#companion #related #traits #registered)
}

/// What a search on the model's entity finds, if it is known which vectorizer is meant.
fn searched(entity: &Entity) -> Option<TokenStream> {
    let vectorizer = entity.searched()?;
    let embeddings = vectorizer.entity();
    let (found, best_per_source) = if vectorizer.in_column() {
        (quote!(SourceRows), None)
    } else {
        (
            quote!(WithSource),
            Some(quote!(
                const BEST_PER_SOURCE: bool = true;
            )),
        )
    };
    Some(quote! {
        #[automatically_derived]
        impl ::pgai_sea::__private::Searched for Entity {
            type Embeddings = #embeddings;
            type Projection = ::pgai_sea::__private::#found;
            #best_per_source
        }
    })
}

/// The model's entity names the table that a vectorizer embeds.
fn source_table() -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::core::convert::From<Entity> for ::pgai_sea::__private::SourceTable {
            fn from(entity: Entity) -> Self {
                ::pgai_sea::__private::SourceTable::entity(entity)
            }
        }
    }
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

//! The derive macro of pgai-sea. Use it as [`pgai_sea::Vectorizer`](https://docs.rs/pgai-sea), where its reference is.
//!
//! An entity goes through four steps: `ast` reads it, with the rules of SeaORM in `sea_orm` and the attribute's
//! keys in `attr`; `valid` refuses what cannot work; `expand` writes the companion. Whatever was wrong, there is
//! a module of the expected name (`fallback`), so that the user sees the error and not its echoes.

mod ast;
mod attr;
mod errors;
mod expand;
mod fallback;
mod literal;
mod sea_orm;
mod template;
mod valid;
mod visibility;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use ast::{Entity, Pass};

#[allow(missing_docs)] // documented where it is used: pgai_sea::Vectorizer
#[proc_macro_derive(Vectorizer, attributes(vectorizer))]
pub fn vectorizer(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    derive(&input).into()
}

fn derive(input: &DeriveInput) -> TokenStream {
    if matches!(Pass::of(input), Pass::Elsewhere) {
        return TokenStream::new();
    }
    let (entity, mut errors) = Entity::parse(input);
    errors.extend(valid::check(&entity));
    match errors.into_compile_errors() {
        None => expand::entity(&entity),
        Some(messages) => fallback::entity(entity, &messages),
    }
}

#[cfg(test)]
mod tests;

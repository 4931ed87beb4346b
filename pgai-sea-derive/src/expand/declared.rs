//! What the entity says of a vectorizer: the entry in the registry, and the builder for a migration.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Ident};

use super::option;
use crate::ast::{Entity, Vectorizer};
use crate::literal::text;

/// The items of `EmbeddingTrait` that say what the attribute says.
pub(super) fn items(entity: &Entity, vectorizer: &Vectorizer) -> TokenStream {
    let module = if vectorizer.in_column() {
        quote!(::core::module_path!())
    } else {
        let name = vectorizer.module.to_string();
        let name = name.trim_start_matches("r#");
        quote!(::core::concat!(::core::module_path!(), "::", #name))
    };
    let schema = option(entity.schema_name.as_ref().map(syn::LitStr::value).as_deref());
    let table = entity.table();
    let loaded = entity
        .loaded(vectorizer)
        .map(|column| column.name.clone())
        .unwrap_or_default();
    let dimensions = vectorizer.dimensions();
    let destination = destination(entity, vectorizer);
    let vectorizer_fn = builder(entity, vectorizer);
    quote! {
        const DECLARATION: ::pgai_sea::__private::Declaration = ::pgai_sea::__private::Declaration::new(
            #module,
            (#schema, #table),
            #loaded,
            #dimensions,
            #destination,
            <Self as ::pgai_sea::__private::EmbeddingTrait>::vectorizer,
        );

        #vectorizer_fn
    }
}

/// The entry of the entity that holds the embeddings in the registry.
pub(super) fn registered(vectorizer: &Vectorizer) -> TokenStream {
    let embeddings = vectorizer.entity();
    quote! {
        ::pgai_sea::__private::register! {
            ::pgai_sea::__private::Registered(&<#embeddings as ::pgai_sea::__private::EmbeddingTrait>::DECLARATION)
        }
    }
}

fn destination(entity: &Entity, vectorizer: &Vectorizer) -> TokenStream {
    let variants = quote!(::pgai_sea::__private::DeclaredDestination);
    if vectorizer.in_column() {
        let column = &vectorizer.column;
        return quote!(#variants::Column { embedding_column: #column });
    }
    let (schema, table) = vectorizer.target(entity);
    let (view_schema, view) = vectorizer.view(entity);
    let (schema, view_schema) = (option(schema.as_deref()), option(view_schema.as_deref()));
    let halfvec = vectorizer.attr.halfvec;
    quote! {
        #variants::Table {
            target_schema: #schema,
            target_table: #table,
            view_schema: #view_schema,
            view_name: #view,
            halfvec: #halfvec
        }
    }
}

/// `fn vectorizer`: what is declared, and nothing that the database's defaults say. Those for names that are too long
/// are not the same in every catalog: such a name is said.
fn builder(entity: &Entity, vectorizer: &Vectorizer) -> TokenStream {
    let attr = &vectorizer.attr;
    let value = |name: &Option<syn::LitStr>| name.as_ref().map(syn::LitStr::value);
    let table = entity.table();
    let (target_table, view_name) = (vectorizer.target(entity).1, vectorizer.view(entity).1);
    let is_cut = |name: &String, suffix: &str| *name != format!("{table}{suffix}");
    let mut setters = TokenStream::new();
    for (setter, schema_or_table) in [
        ("target_schema", value(&attr.target_schema)),
        (
            "target_table",
            Some(target_table).filter(|name| is_cut(name, "_embedding_store")),
        ),
        ("view_schema", value(&attr.view_schema)),
        ("view_name", Some(view_name).filter(|name| is_cut(name, "_embedding"))),
    ] {
        let setter = Ident::new(setter, Span::call_site());
        setters.extend(schema_or_table.map(|value| quote!(.#setter(#value))));
    }
    if attr.halfvec {
        setters.extend(quote!(.halfvec()));
    }
    let destination = if vectorizer.in_column() {
        let column = &vectorizer.column;
        quote! {
            .destination(::pgai_sea::Destination::column(#column))
            .chunking(::pgai_sea::Chunking::none())
        }
    } else if setters.is_empty() {
        quote!()
    } else {
        quote!(.destination(::pgai_sea::Destination::table() #setters))
    };
    // a field that is not there is an error already
    let addresses = entity.loaded(vectorizer).filter(|_| attr.loads_uri);
    let loading = addresses
        .map(|column| &column.name)
        .map(|name| quote!(.loading(::pgai_sea::Loading::uri(#name))));
    let options = [
        ("parsing", "Parsing", &attr.parsing),
        ("embedding", "Embedding", &attr.embedding),
        ("chunking", "Chunking", &attr.chunking),
        ("formatting", "Formatting", &attr.formatting),
        ("indexing", "Indexing", &attr.indexing),
    ];
    let options = options
        .into_iter()
        .filter_map(|(setter, ty, value)| Some(option_setter(setter, ty, value.as_ref()?)));
    quote! {
        fn vectorizer() -> ::pgai_sea::CreateVectorizer {
            ::pgai_sea::__private::declared(&<Self as ::pgai_sea::__private::EmbeddingTrait>::DECLARATION)
                #loading
                #destination
                #(#options)*
        }
    }
}

/// A setter with the user's expression, which may name its own type without an import.
fn option_setter(setter: &str, ty: &str, value: &Expr) -> TokenStream {
    let (setter, ty) = (Ident::new(setter, Span::call_site()), Ident::new(ty, Span::call_site()));
    let value = match text(value) {
        Some(template) if setter == "formatting" => quote!(::pgai_sea::Formatting::python_template(#template)),
        _ => quote!(#value),
    };
    let argument = quote_spanned! {value.span()=> {
        #[allow(unused_imports)]
        use ::pgai_sea::#ty;
        #value
    }};
    quote!(.#setter(#argument))
}

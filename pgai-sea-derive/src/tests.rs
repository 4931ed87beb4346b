//! What is best seen without a compiler: which pass writes, what it writes, and what stands beside an error.

use std::path::Path;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Item, parse_quote};

use crate::derive;

/// Without the spaces that `TokenStream` prints between tokens.
fn text(tokens: &TokenStream) -> String {
    tokens.to_string().split_whitespace().collect()
}

fn entity(ident: &TokenStream, marker: &TokenStream, key: &TokenStream) -> String {
    text(&derive(&parse_quote! {
        #[sea_orm(table_name = "posts")]
        #marker
        pub struct #ident {
            #key
            pub id: i32,
            #[vectorizer(dimensions = 3)]
            pub body: String,
        }
    }))
}

fn key() -> TokenStream {
    quote!(#[sea_orm(primary_key)])
}

#[test]
fn a_compact_model_has_a_compact_companion() {
    let code = entity(&quote!(Model), &quote!(), &key());
    assert!(code.contains("pubmodbody_embeddings{"), "{code}");
    assert!(!code.contains("compact_model"), "{code}");
}

#[test]
fn of_the_two_structs_of_a_dense_model_the_second_writes() {
    assert_eq!(entity(&quote!(Model), &quote!(#[sea_orm(model_ex)]), &key()), "");
    let code = entity(&quote!(ModelEx), &quote!(), &key());
    assert_eq!(code.matches("modbody_embeddings").count(), 1, "{code}");
    assert!(code.contains("pubsource:BelongsTo<super::Entity>"), "{code}");
}

#[test]
fn a_related_that_sea_orm_writes_is_not_written_again() {
    let related = "Related<body_embeddings::Entity>forEntity";
    let code = |relation: TokenStream| {
        text(&derive(&parse_quote! {
            #[sea_orm(table_name = "posts")]
            struct ModelEx {
                #[sea_orm(primary_key)]
                id: i32,
                #[vectorizer(dimensions = 3)]
                body: String,
                #relation,
            }
        }))
    };
    assert!(code(quote!(all: HasMany<body_embeddings::Entity>)).contains(related));
    for attr in [quote!(#[sea_orm(has_many)]), quote!(#[sea_orm(has_one)])] {
        assert!(!code(quote!(#attr all: HasMany<body_embeddings::Entity>)).contains(related));
        assert!(!code(quote!(#attr all: HasMany<crate::post::body_embeddings::Entity>)).contains(related));
        assert!(code(quote!(#attr other: HasMany<super::comment::Entity>)).contains(related));
    }
}

/// Whether one of them is written as a raw identifier makes no difference.
#[test]
fn a_raw_module_is_the_module_of_that_name() {
    for (name, path) in [("r#type", quote!(r#type)), ("vectors", quote!(r#vectors))] {
        let code = text(&derive(&parse_quote! {
            #[sea_orm(table_name = "posts")]
            struct ModelEx {
                #[sea_orm(primary_key)]
                id: i32,
                #[vectorizer(dimensions = 3, name = #name)]
                body: String,
                #[sea_orm(has_many)]
                all: HasMany<#path::Entity>,
            }
        }));
        assert!(!code.contains("Related<r#type::Entity>forEntity"), "{name}: {code}");
        assert!(!code.contains("Related<vectors::Entity>forEntity"), "{name}: {code}");
    }
}

#[test]
fn without_a_key_there_is_a_companion_beside_the_error() {
    let code = entity(&quote!(Model), &quote!(), &quote!());
    assert!(
        code.contains("compile_error!{\"noprimarykey,bywhichembeddingsfindtheirrow"),
        "{code}"
    );
    assert!(code.contains("modbody_embeddings{"), "{code}");
}

#[test]
fn several_mistakes_are_said_at_once() {
    let code = text(&derive(&parse_quote! {
        #[sea_orm(table_name = "posts")]
        struct Model {
            #[sea_orm(primary_key)]
            chunk: i32,
            #[vectorizer(dimensions = 0, nam = "x", derives(Hash), derives(Eq))]
            stars: i32,
        }
    }));
    assert_eq!(code.matches("compile_error!").count(), 5, "{code}");
}

/// The code itself, in `tests/expansions`, beside the structs that it is written for. `UPDATE_EXPECT=1` writes it anew.
#[test]
fn the_code_is_the_expected_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expansions");
    for name in ["column", "compact", "dense", "refused", "several"] {
        let input = std::fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap();
        let code: TokenStream = syn::parse_file(&input)
            .unwrap()
            .items
            .into_iter()
            .map(|item| match item {
                Item::Struct(item) => derive(&DeriveInput::from(item)),
                other => panic!("{name} has other items than structs: {}", quote!(#other)),
            })
            .collect();
        let code = prettyplease::unparse(&syn::parse2(code).unwrap());
        expect_test::expect_file![folder.join(format!("{name}.expanded.rs"))].assert_eq(&code);
    }
}

//! `destination = "column"`: what it takes, and which keys are about tables.

use proc_macro2::Span;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Error, Type};

use super::certainly_not_text;
use crate::ast::{Entity, Vectorizer, inner_of_option};
use crate::errors::{Errors, quoted};

/// Keys that name or shape what a column destination does not have.
const OF_TABLES: [&str; 8] = [
    "name",
    "target_schema",
    "target_table",
    "view_schema",
    "view_name",
    "derives",
    "chunking",
    "halfvec",
];

pub(super) fn check(entity: &Entity, vectorizer: &Vectorizer, errors: &mut Errors) {
    let attr = &vectorizer.attr;
    if attr.loads_uri
        && let Some(loading) = &attr.loading
        && let Some(loaded) = entity.loaded(vectorizer).filter(|loaded| is_bytes(&loaded.ty))
    {
        let instead = if vectorizer.in_column() {
            format!("write `loading = \"{}\"`", loaded.field.unraw())
        } else {
            "leave `loading` out".to_owned()
        };
        errors.push(Error::new(
            loading.span(),
            format!(
                "`{}` is a column of bytes, and addresses are text: to embed the documents in the column itself, \
                 {instead}",
                loaded.field.unraw()
            ),
        ));
    }
    let Some(column) = attr.column_destination else {
        if let Some(loading) = attr.loading.as_ref().filter(|_| attr.loads_uri) {
            let field = vectorizer.field.unraw();
            if field != loading.value().trim_start_matches("r#") {
                errors.push(Error::new(
                    loading.span(),
                    format!("the addresses are those of the field that this stands on: write `uri(\"{field}\")`"),
                ));
            }
        } else if let Some(loading) = &attr.loading {
            errors.push(Error::new(
                loading.span(),
                "`loading` belongs to `destination = \"column\"`: without it, the text is that of the column it stands \
                 on",
            ));
        }
        return;
    };
    for key in attr.keys.iter().filter(|key| OF_TABLES.iter().any(|name| key == name)) {
        let message = if key == "chunking" {
            "`chunking` belongs to a table destination: a column holds one vector per row, of its whole text".to_owned()
        } else if key == "halfvec" {
            "`halfvec` belongs to a table destination: the column's type says it, an `Option<HalfVec>`".to_owned()
        } else {
            format!("`{key}` belongs to a table destination: leave it out, a column has no companion, table or view")
        };
        errors.push(Error::new(key.span(), message));
    }
    let Some(loading) = &attr.loading else {
        // one that was refused is an error already
        if attr.keys.iter().any(|key| key == "loading") {
            return;
        }
        return unnamed(entity, column, errors);
    };
    match entity.loaded(vectorizer) {
        None => {
            let fields: Vec<_> = entity
                .columns
                .iter()
                .filter(|column| certainly_not_text(&column.ty).is_none())
                .map(|column| column.field.unraw())
                .collect();
            errors.push(Error::new(
                loading.span(),
                format!(
                    "there is no field `{}`: the fields that may hold text are {}",
                    loading.value(),
                    quoted(&fields)
                ),
            ));
        }
        Some(loaded) => {
            if let Some(ty) = certainly_not_text(&loaded.ty) {
                errors.push(Error::new(
                    loading.span(),
                    format!(
                        "`{}` is a column of `{ty}`: only text can be embedded, a `String` or an `Option<String>`",
                        loading.value()
                    ),
                ));
            }
        }
    }
}

/// `Vec<u8>`, or an option of it: documents.
pub(super) fn is_bytes(ty: &Type) -> bool {
    let Type::Path(path) = inner_of_option(ty).unwrap_or(ty) else {
        return false;
    };
    let Some(last) = path.path.segments.last().filter(|last| last.ident == "Vec") else {
        return false;
    };
    match &last.arguments {
        syn::PathArguments::AngleBracketed(of) => {
            matches!(of.args.first(), Some(syn::GenericArgument::Type(ty)) if last_is(ty, "u8"))
        }
        _ => false,
    }
}

/// The only column of text need not be named.
fn unnamed(entity: &Entity, column: Span, errors: &mut Errors) {
    let texts: Vec<_> = entity.texts().iter().map(|column| column.field.unraw()).collect();
    let message = match &texts[..] {
        [_] => return,
        [] => "missing `loading`: no column is a `String` or an `Option<String>`, so name the field whose text is \
        embedded, as in \
               `destination = \"column\", loading = \"body\"`"
            .to_owned(),
        [first, ..] => format!(
            "missing `loading`: name the field whose text is embedded, which of {} it is, as in `loading = \
             \"{first}\"`",
            quoted(&texts)
        ),
    };
    errors.push(Error::new(column, message));
}

/// Rows wait for their vector: the column is null until a worker has been there. An alias may well be right.
pub(super) fn holds_vectors(vectorizer: &Vectorizer, errors: &mut Errors) {
    const NOT_VECTORS: [&str; 5] = ["String", "str", "Vec", "PgVector", "Vector"];
    let refused = match inner_of_option(&vectorizer.ty) {
        Some(inner) => last_is(inner, "String") || certainly_not_text(inner).is_some_and(|ty| ty != "PgVector"),
        None => {
            certainly_not_text(&vectorizer.ty).is_some() || NOT_VECTORS.iter().any(|name| last_is(&vectorizer.ty, name))
        }
    };
    if refused {
        errors.push(Error::new(
            vectorizer.attr.span,
            format!(
                "`{}` is a column of `{}`: with `destination = \"column\"` it holds the row's vector, an \
                 `Option<PgVector>`, \
                 none until the row is embedded",
                vectorizer.field,
                vectorizer.ty.to_token_stream().to_string().replace(' ', "")
            ),
        ));
    }
}

fn last_is(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

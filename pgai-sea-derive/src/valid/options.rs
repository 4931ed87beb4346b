//! `parsing`, `embedding`, `chunking`, `formatting` and `indexing`, as far as their expressions show what they are.

use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Error, Expr, LitStr};

use super::certainly_not_text;
use super::destination::is_bytes;
use crate::ast::{Entity, Vectorizer, is_string};
use crate::errors::{Errors, quoted};
use crate::literal::{Constructor, has_setter, number, setter_argument, text};
use crate::template::{Placeholder, placeholders};

/// pgvector's limits for an HNSW index over the type `vector` and over `halfvec`.
const MAX_HNSW_DIMENSIONS: u32 = 2_000;
const MAX_HNSW_DIMENSIONS_OF_HALFVEC: u32 = 4_000;

pub(super) fn check(entity: &Entity, vectorizer: &Vectorizer, errors: &mut Errors) {
    let attr = &vectorizer.attr;
    if let (Some(embedding), Some(declared)) = (&attr.embedding, attr.dimensions) {
        dimensions(embedding, declared, errors);
    }
    if let Some(parsing) = &attr.parsing {
        parses(entity, vectorizer, parsing, errors);
    }
    if let Some(chunking) = &attr.chunking {
        overlap(chunking, errors);
    }
    if let Some(formatting) = &attr.formatting
        && let Some(template) = template(formatting)
    {
        formats(entity, template, errors);
    }
    if let Some(indexing) = &attr.indexing
        && Constructor::of("Indexing", indexing).is_some_and(|call| call.function == "hnsw")
        && !has_setter(indexing, "binary")
    {
        hnsw(vectorizer, indexing, errors);
    }
}

/// An alias of the column's type may well be `HalfVec`.
fn hnsw(vectorizer: &Vectorizer, indexing: &Expr, errors: &mut Errors) {
    let Some(dimensions) = vectorizer.attr.dimensions else {
        return;
    };
    let is_vector = if vectorizer.in_column() {
        certainly_not_text(&vectorizer.ty).is_some_and(|ty| ty == "PgVector")
    } else {
        !vectorizer.attr.halfvec
    };
    let (most, of_what, halfvec) = match (is_vector, vectorizer.in_column()) {
        (false, _) => (MAX_HNSW_DIMENSIONS_OF_HALFVEC, " of a `HalfVec`", ""),
        (true, true) => (
            MAX_HNSW_DIMENSIONS,
            " of a `PgVector`",
            "an `Option<HalfVec>`, which takes 4000, ",
        ),
        (true, false) => (MAX_HNSW_DIMENSIONS, "", "`halfvec`, which takes 4000, "),
    };
    if dimensions > most {
        errors.push(Error::new_spanned(
            indexing,
            format!(
                "HNSW indexes at most {most} dimensions{of_what}, and these are {dimensions}: use {halfvec}\
                 `Indexing::diskann()`, `Indexing::none()` or a model with fewer dimensions"
            ),
        ));
    }
}

/// Bytes are documents, and a text that is no address is none. An alias of the column's type may be either.
fn parses(entity: &Entity, vectorizer: &Vectorizer, parsing: &Expr, errors: &mut Errors) {
    let Some(call) = Constructor::of("Parsing", parsing) else {
        return;
    };
    let Some(loaded) = entity.loaded(vectorizer) else {
        return;
    };
    let (field, function) = (loaded.field.unraw(), &call.function);
    let message = match function.as_str() {
        "none" if is_bytes(&loaded.ty) => {
            format!("`{field}` is a column of bytes, which hold documents: leave `parsing` out")
        }
        "pymupdf" | "docling" if !vectorizer.attr.loads_uri && is_string(&loaded.ty) => format!(
            "`Parsing::{function}` is for documents, and `{field}` is text: leave `parsing` out, or, if the text is \
             their addresses, write `loading = uri(\"{field}\")`"
        ),
        _ => return,
    };
    errors.push(Error::new_spanned(parsing, message));
}

/// Providers are constructed as `Embedding::openai(model, dimensions)`, all of them.
fn dimensions(embedding: &Expr, declared: u32, errors: &mut Errors) {
    let number = Constructor::of("Embedding", embedding).and_then(|call| call.number(1));
    if let Some(number) = number
        && number.base10_parse::<u32>().ok() != Some(declared)
    {
        errors.push(Error::new(
            number.span(),
            format!(
                "the embedding has {number} dimensions, and `dimensions = {declared}` says otherwise: make them \
                     the same"
            ),
        ));
    }
}

/// A chunk cannot repeat more of the one before than it holds.
fn overlap(chunking: &Expr, errors: &mut Errors) {
    const SIZE: u32 = 800;
    const OVERLAP: u32 = 400;
    let is_splitter =
        Constructor::of("Chunking", chunking).is_some_and(|call| call.function.ends_with("_text_splitter"));
    if !is_splitter {
        return;
    }
    let written = |setter, default| match setter_argument(chunking, setter) {
        None => Some((default, chunking.span())),
        Some(argument) => Some((number(argument)?.base10_parse().ok()?, argument.span())),
    };
    let (Some((size, size_span)), Some((overlap, overlap_span))) =
        (written("chunk_size", SIZE), written("chunk_overlap", OVERLAP))
    else {
        return;
    };
    if overlap <= size {
        return;
    }
    errors.push(match setter_argument(chunking, "chunk_overlap") {
        Some(_) => Error::new(
            overlap_span,
            format!("`chunk_overlap` is {overlap} and `chunk_size` is {size}: make the overlap at most the size"),
        ),
        None => Error::new(
            size_span,
            format!(
                "`chunk_size` is {size} and `chunk_overlap` is {OVERLAP}, its default: set `.chunk_overlap(..)` to at \
                 most the size"
            ),
        ),
    });
}

/// The template, if it is written here: `"$title: $chunk"`, or the same in `Formatting::python_template(..)`.
fn template(formatting: &Expr) -> Option<&LitStr> {
    text(formatting).or_else(|| {
        Constructor::of("Formatting", formatting)
            .filter(|call| call.function == "python_template")?
            .text(0)
    })
}

fn formats(entity: &Entity, template: &LitStr, errors: &mut Errors) {
    let mut refuse = |message: String| errors.push(Error::new(template.span(), message));
    let placeholders = placeholders(&template.value());
    for placeholder in &placeholders {
        match placeholder {
            // the last two are the chunk's place, where the table has no such columns
            Placeholder::Named(name) | Placeholder::Braced(name)
                if ["chunk", "page", "headings"].contains(&name.as_str()) => {}
            Placeholder::Named(name) | Placeholder::Braced(name) => {
                if !entity.columns.iter().any(|column| column.name == *name) {
                    let mut names: Vec<_> = entity.columns.iter().map(|column| &*column.name).collect();
                    names.push("$chunk");
                    refuse(format!(
                        "`${name}` is no column of `{}`: there are {}, named as in the database",
                        entity.table(),
                        quoted(&names)
                    ));
                }
            }
            Placeholder::Invalid(rest) => refuse(format!(
                "`${rest}` names nothing: write `$$` for a dollar, and `$column` or `${{column}}` for a column"
            )),
        }
    }
    if !placeholders.contains(&Placeholder::Named("chunk".to_owned())) {
        refuse(if placeholders.contains(&Placeholder::Braced("chunk".to_owned())) {
            "the template has `${chunk}`, and needs it as `$chunk`: pgai looks for that".to_owned()
        } else {
            "the template does not contain `$chunk`, the text to embed: write it, as in `\"$title: $chunk\"`".to_owned()
        });
    }
}

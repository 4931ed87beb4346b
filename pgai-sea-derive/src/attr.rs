//! `#[vectorizer(..)]`: the keys, typed, each with the place it was written at.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, Token};

use crate::errors::{Errors, quoted};
use crate::literal;

/// pgvector's limit for the type `vector`.
pub(crate) const MAX_DIMENSIONS: u32 = 16_000;

const KEYS: [&str; 16] = [
    "dimensions",
    "halfvec",
    "default",
    "destination",
    "loading",
    "name",
    "target_schema",
    "target_table",
    "view_schema",
    "view_name",
    "parsing",
    "embedding",
    "chunking",
    "formatting",
    "indexing",
    "derives",
];

/// One `#[vectorizer(..)]`.
#[derive(Debug)]
pub(crate) struct VectorizerAttr {
    /// The attribute's name, for what is wrong with the attribute as a whole.
    pub(crate) span: Span,
    /// `None` when it is missing or was refused, which is an error already.
    pub(crate) dimensions: Option<u32>,
    /// Whether the vectors are stored as `halfvec`.
    pub(crate) halfvec: bool,
    /// Where `default` is written, if it is.
    pub(crate) default: Option<Span>,
    /// Where `destination = "column"` is written, if it is.
    pub(crate) column_destination: Option<Span>,
    /// The field whose text is embedded, for a column destination, or whose addresses lead to it.
    pub(crate) loading: Option<LitStr>,
    /// Whether the field holds addresses: `loading = uri("..")`.
    pub(crate) loads_uri: bool,
    pub(crate) name: Option<Ident>,
    pub(crate) target_schema: Option<LitStr>,
    pub(crate) target_table: Option<LitStr>,
    pub(crate) view_schema: Option<LitStr>,
    pub(crate) view_name: Option<LitStr>,
    pub(crate) parsing: Option<Expr>,
    pub(crate) embedding: Option<Expr>,
    pub(crate) chunking: Option<Expr>,
    pub(crate) formatting: Option<Expr>,
    pub(crate) indexing: Option<Expr>,
    pub(crate) derives: Vec<Path>,
    /// The keys, as written.
    pub(crate) keys: Vec<Ident>,
}

impl VectorizerAttr {
    pub(crate) fn parse(attr: &Attribute, errors: &mut Errors) -> Self {
        let mut parsed = Self {
            span: attr.path().span(),
            dimensions: None,
            halfvec: false,
            default: None,
            column_destination: None,
            loading: None,
            loads_uri: false,
            name: None,
            target_schema: None,
            target_table: None,
            view_schema: None,
            view_name: None,
            parsing: None,
            embedding: None,
            chunking: None,
            formatting: None,
            indexing: None,
            derives: Vec::new(),
            keys: Vec::new(),
        };
        if !matches!(attr.meta, Meta::Path(_)) {
            let result = attr.parse_nested_meta(|meta| parsed.key(&meta, errors));
            errors.ok(result);
        }
        // an unknown key is likely a misspelling of it
        let may_be_dimensions = |key: &Ident| key == "dimensions" || !KEYS.iter().any(|known| key == known);
        if !parsed.keys.iter().any(may_be_dimensions) {
            errors.push(Error::new(
                parsed.span,
                "missing `dimensions`: write the length of the model's vectors, as in `#[vectorizer(dimensions = \
                 768)]`",
            ));
        }
        parsed
    }

    fn key(&mut self, meta: &ParseNestedMeta, errors: &mut Errors) -> syn::Result<()> {
        let Some(key) = meta.path.get_ident() else {
            return Err(meta.error(format!("expected one of {}", quoted(&KEYS))));
        };
        if self.keys.contains(key) {
            errors.push(Error::new(
                key.span(),
                format!("`{key}` is given twice: remove one of them"),
            ));
        }
        self.keys.push(key.clone());
        match key.to_string().as_str() {
            "dimensions" => self.dimensions = errors.ok(dimensions(meta)?),
            "halfvec" => {
                self.halfvec = true;
                errors.ok(no_value(meta)?);
            }
            "default" => {
                self.default = Some(key.span());
                errors.ok(no_value(meta)?);
            }
            "destination" => self.column_destination = errors.ok(destination(&string(meta)?)).flatten(),
            "loading" if names_uri(meta) => {
                self.loads_uri = true;
                self.loading = errors.ok(uri(meta)?);
            }
            "loading" => self.loading = errors.ok(field(meta)?),
            "name" => self.name = errors.ok(module_name(&string(meta)?)),
            "target_schema" => self.target_schema = errors.ok(relation_name(string(meta)?)),
            "target_table" => self.target_table = errors.ok(relation_name(string(meta)?)),
            "view_schema" => self.view_schema = errors.ok(relation_name(string(meta)?)),
            "view_name" => self.view_name = errors.ok(relation_name(string(meta)?)),
            "parsing" => self.parsing = Some(meta.value()?.parse()?),
            "embedding" => self.embedding = Some(meta.value()?.parse()?),
            "chunking" => self.chunking = Some(meta.value()?.parse()?),
            "formatting" => self.formatting = Some(meta.value()?.parse()?),
            "indexing" => self.indexing = Some(meta.value()?.parse()?),
            "derives" => {
                self.derives = paths(meta)?;
                self.derives.retain(|path| errors.ok(not_derived_yet(path)).is_some());
            }
            _ => {
                errors.push(Error::new(
                    key.span(),
                    format!("unknown key `{key}`: the keys are {}", quoted(&KEYS)),
                ));
                skip_value(meta)?;
            }
        }
        Ok(())
    }
}

/// The outer result is a syntax error, the inner one a value that is refused.
fn dimensions(meta: &ParseNestedMeta) -> syn::Result<syn::Result<u32>> {
    let value: Expr = meta.value()?.parse()?;
    let number = literal::number(&value).and_then(|number| number.base10_parse::<u32>().ok());
    Ok(number
        .filter(|number| (1..=MAX_DIMENSIONS).contains(number))
        .ok_or_else(|| {
            Error::new(
                value.span(),
                format!("`dimensions` must be a whole number from 1 to {MAX_DIMENSIONS}, as in `dimensions = 768`"),
            )
        }))
}

fn no_value(meta: &ParseNestedMeta) -> syn::Result<syn::Result<()>> {
    if meta.input.is_empty() || meta.input.peek(Token![,]) {
        return Ok(Ok(()));
    }
    skip_value(meta)?;
    let key = meta.path.get_ident().map(Ident::to_string).unwrap_or_default();
    Ok(Err(Error::new_spanned(
        &meta.path,
        format!("`{key}` takes no value: write it alone, as in `#[vectorizer(dimensions = 768, {key})]`"),
    )))
}

/// The field in `"body"`.
fn field(meta: &ParseNestedMeta) -> syn::Result<syn::Result<LitStr>> {
    let value: Expr = meta.value()?.parse()?;
    Ok(literal::text(&value).cloned().ok_or_else(|| {
        Error::new_spanned(
            &value,
            "`loading` is a field, as in `loading = \"body\"`, or a field of addresses, as in `loading = \
             uri(\"address\")`",
        )
    }))
}

/// Whether the value begins as `uri("..")` does.
fn names_uri(meta: &ParseNestedMeta) -> bool {
    let ahead = meta.input.fork();
    ahead.parse::<Token![=]>().is_ok() && ahead.parse::<Ident>().is_ok_and(|ident| ident == "uri")
}

/// The field in `uri("..")`.
fn uri(meta: &ParseNestedMeta) -> syn::Result<syn::Result<LitStr>> {
    let value: Expr = meta.value()?.parse()?;
    let wrong = Error::new_spanned(
        &value,
        "`uri` takes the field of addresses, as in `loading = uri(\"address\")`",
    );
    let Expr::Call(call) = &value else {
        return Ok(Err(wrong));
    };
    Ok(match call.args.first() {
        Some(Expr::Lit(ExprLit {
            lit: Lit::Str(field), ..
        })) if call.args.len() == 1 => Ok(field.clone()),
        _ => Err(wrong),
    })
}

fn string(meta: &ParseNestedMeta) -> syn::Result<LitStr> {
    let value = meta.value()?;
    value.parse().map_err(|error| {
        let key = meta.path.get_ident().map(Ident::to_string).unwrap_or_default();
        Error::new(error.span(), format!("`{key}` takes a string, as in `{key} = \"..\"`"))
    })
}

/// The place of `"column"`; `"table"` is what is meant without the key.
fn destination(value: &LitStr) -> syn::Result<Option<Span>> {
    match value.value().as_str() {
        "table" => Ok(None),
        "column" => Ok(Some(value.span())),
        _ => Err(Error::new(
            value.span(),
            "`destination` is `\"table\"`, a table of the embeddings' own and the default, or `\"column\"`, this \
             column",
        )),
    }
}

fn module_name(name: &LitStr) -> syn::Result<Ident> {
    name.parse().map_err(|_| {
        Error::new(
            name.span(),
            "`name` is the name of a module: write an identifier, as in `name = \"content_embeddings\"`",
        )
    })
}

/// PostgreSQL cuts longer names at 63 bytes without an error: the catalog would know the table by another name than
/// this.
fn relation_name(name: LitStr) -> syn::Result<LitStr> {
    match name.value().len() {
        0 => Err(Error::new(
            name.span(),
            "the name is empty: leave the key out to have its default",
        )),
        1..=63 => Ok(name),
        length => Err(Error::new(
            name.span(),
            format!("the name has {length} bytes: PostgreSQL keeps at most 63 of a name"),
        )),
    }
}

fn paths(meta: &ParseNestedMeta) -> syn::Result<Vec<Path>> {
    if !meta.input.peek(syn::token::Paren) {
        return Err(Error::new(
            meta.path.span(),
            "`derives` takes a list, as in `derives(Hash, serde::Serialize)`",
        ));
    }
    let content;
    syn::parenthesized!(content in meta.input);
    let paths = Punctuated::<Path, Token![,]>::parse_terminated_with(&content, Path::parse_mod_style)?;
    Ok(paths.into_iter().collect())
}

/// What every companion's model has would be implemented twice.
fn not_derived_yet(path: &Path) -> syn::Result<()> {
    let Some(last) = path.segments.last() else {
        return Ok(());
    };
    if ["Clone", "Debug", "PartialEq"].iter().any(|name| last.ident == name) {
        return Err(Error::new(
            path.span(),
            format!("the companion's model derives `{}` already: leave it out", last.ident),
        ));
    }
    Ok(())
}

/// Passes over what a key that means nothing here is given.
pub(crate) fn skip_value(meta: &ParseNestedMeta) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.input.parse::<proc_macro2::Group>()?;
    }
    Ok(())
}

//! The entity as the derive sees it: names resolved, nothing judged yet.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Field, Fields, Ident, LitStr, Type, Visibility};

use crate::attr::VectorizerAttr;
use crate::errors::Errors;
use crate::sea_orm::{self, CaseStyle, FieldAttr, StructAttr};

/// `#[sea_orm::model]` shows the derive two structs: `Model`, marked, and `ModelEx` with the relations as well. The
/// second one knows everything, so there the code is written, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// A compact `Model`, on its own.
    Compact,
    /// The `ModelEx` of a `Model`: entity loaders exist.
    Dense,
    /// The `Model` that a `ModelEx` follows.
    Elsewhere,
}

impl Pass {
    pub(crate) fn of(input: &DeriveInput) -> Self {
        if input.ident == "ModelEx" {
            Self::Dense
        } else if StructAttr::parse(&input.attrs).model_ex {
            Self::Elsewhere
        } else {
            Self::Compact
        }
    }
}

/// A SeaORM entity with vectorizers.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) dense: bool,
    /// A struct with named fields, called as SeaORM calls it.
    pub(crate) is_model: bool,
    pub(crate) has_generics: bool,
    /// A `#[vectorizer(..)]` on the struct, where it means nothing.
    pub(crate) misplaced: Option<Span>,
    pub(crate) table_name: Option<LitStr>,
    pub(crate) schema_name: Option<LitStr>,
    /// The fields that are columns.
    pub(crate) columns: Vec<Column>,
    pub(crate) keys: Vec<Key>,
    pub(crate) vectorizers: Vec<Vectorizer>,
    /// The entities that a `#[sea_orm(has_many)]` field names, as module and `Entity`: SeaORM writes `Related` for
    /// them.
    pub(crate) related: Vec<String>,
}

/// A field that is a column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) field: Ident,
    pub(crate) variant: Ident,
    pub(crate) name: String,
    pub(crate) ty: Type,
}

/// A column of the primary key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) field: Ident,
    pub(crate) variant: Ident,
    pub(crate) column: String,
    pub(crate) ty: Type,
    pub(crate) conversions: Vec<(Ident, LitStr)>,
}

/// One vectorizer: its attribute and the column that it stands on.
#[derive(Debug)]
pub(crate) struct Vectorizer {
    pub(crate) attr: VectorizerAttr,
    pub(crate) field: Ident,
    pub(crate) variant: Ident,
    pub(crate) column: String,
    pub(crate) ty: Type,
    /// `Some` with what the field is, when it is not a column.
    pub(crate) not_a_column: Option<&'static str>,
    pub(crate) module: Ident,
}

impl Entity {
    pub(crate) fn parse(input: &DeriveInput) -> (Self, Errors) {
        let mut errors = Errors::default();
        let attr = StructAttr::parse(&input.attrs);
        let mut entity = Self {
            ident: input.ident.clone(),
            vis: input.vis.clone(),
            dense: Pass::of(input) == Pass::Dense,
            is_model: false,
            has_generics: !input.generics.params.is_empty(),
            misplaced: input
                .attrs
                .iter()
                .find(|attr| attr.path().is_ident("vectorizer"))
                .map(|attr| attr.path().span()),
            table_name: attr.table_name,
            schema_name: attr.schema_name,
            columns: Vec::new(),
            keys: Vec::new(),
            vectorizers: Vec::new(),
            related: Vec::new(),
        };
        if let Data::Struct(data) = &input.data
            && let Fields::Named(fields) = &data.fields
        {
            entity.is_model = input.ident == "Model" || input.ident == "ModelEx";
            for field in &fields.named {
                entity.add(field, attr.rename_all, &mut errors);
            }
        }
        (entity, errors)
    }

    fn add(&mut self, field: &Field, rename_all: Option<CaseStyle>, errors: &mut Errors) {
        let Some(ident) = &field.ident else { return };
        let attr = FieldAttr::parse(&field.attrs);
        let compound = sea_orm::compound(&field.ty);
        let not_a_column = match (&compound, attr.ignore) {
            (Some(_), _) => Some("a relation"),
            (None, true) => Some("ignored by SeaORM"),
            (None, false) => None,
        };
        let variant = attr.variant(ident);
        let column = attr.column(ident, rename_all);
        for vectorizer in field.attrs.iter().filter(|attr| attr.path().is_ident("vectorizer")) {
            let attr = VectorizerAttr::parse(vectorizer, errors);
            let default = || Ident::new(&format!("{}_embeddings", ident.unraw()), ident.span());
            self.vectorizers.push(Vectorizer {
                module: attr.name.clone().unwrap_or_else(default),
                attr,
                field: ident.clone(),
                variant: variant.clone(),
                column: column.clone(),
                ty: field.ty.clone(),
                not_a_column,
            });
        }
        if not_a_column.is_none() {
            self.columns.push(Column {
                field: ident.clone(),
                variant: variant.clone(),
                name: column.clone(),
                ty: field.ty.clone(),
            });
        }
        if let Some(related) = compound.filter(|_| attr.relates) {
            self.related.push(related);
        } else if attr.primary_key && not_a_column.is_none() {
            self.keys.push(Key {
                field: ident.clone(),
                variant,
                column,
                ty: field.ty.clone(),
                conversions: attr.conversions,
            });
        }
    }

    /// Where mistakes of the entity as a whole are shown.
    pub(crate) fn span(&self) -> Span {
        self.ident.span()
    }

    /// The table's name; empty when it is missing, which [`crate::valid`] refuses.
    pub(crate) fn table(&self) -> String {
        self.table_name.as_ref().map(LitStr::value).unwrap_or_default()
    }

    /// The column whose text `vectorizer` embeds: the one it stands on; with a column destination the one that
    /// `loading` names, or the only one of text.
    pub(crate) fn loaded(&self, vectorizer: &Vectorizer) -> Option<&Column> {
        let name = match (&vectorizer.attr.loading, vectorizer.in_column()) {
            (Some(loading), true) => loading.value(),
            (None, true) => match self.texts()[..] {
                [only] => return Some(only),
                _ => return None,
            },
            (_, false) => vectorizer.field.unraw().to_string(),
        };
        let name = name.trim_start_matches("r#");
        self.columns.iter().find(|column| column.field.unraw() == name)
    }

    /// The columns that are certainly text, and no key.
    pub(crate) fn texts(&self) -> Vec<&Column> {
        let is_key = |column: &Column| self.keys.iter().any(|key| key.field == column.field);
        let columns = self.columns.iter();
        columns
            .filter(|column| is_string(&column.ty) && !is_key(column))
            .collect()
    }

    /// The vectorizer that a search on the model's entity is by: its column of vectors, the default one, or the only
    /// one.
    pub(crate) fn searched(&self) -> Option<&Vectorizer> {
        let mut vectorizers = self.vectorizers.iter();
        let column = vectorizers.clone().find(|vectorizer| vectorizer.in_column());
        column
            .or_else(|| vectorizers.find(|vectorizer| vectorizer.attr.default.is_some()))
            .or(match self.vectorizers.as_slice() {
                [only] => Some(only),
                _ => None,
            })
    }

    /// Whether SeaORM writes `Related<companion>` for the entity, because of a field with `has_many`.
    pub(crate) fn relates_already(&self, vectorizer: &Vectorizer) -> bool {
        self.related.contains(&format!("{}::Entity", vectorizer.module.unraw()))
    }
}

impl Vectorizer {
    /// Whether the embeddings are in a column of the source, this one, rather than in a table of their own.
    pub(crate) fn in_column(&self) -> bool {
        self.attr.column_destination.is_some()
    }

    /// The length of the vectors; 1 beside an error about it.
    pub(crate) fn dimensions(&self) -> u32 {
        self.attr.dimensions.unwrap_or(1)
    }

    /// The entity that holds the embeddings, as it is named beside the model.
    pub(crate) fn entity(&self) -> TokenStream {
        if self.in_column() {
            return quote!(Entity);
        }
        let module = &self.module;
        quote!(#module::Entity)
    }

    /// Schema (`None`: wherever the source is) and name of the table that holds the embeddings.
    pub(crate) fn target(&self, entity: &Entity) -> (Option<String>, String) {
        let schema = self.attr.target_schema.as_ref().or(entity.schema_name.as_ref());
        let table = self.attr.target_table.as_ref().map(LitStr::value);
        (
            schema.map(LitStr::value),
            table.unwrap_or_else(|| with_suffix(&entity.table(), "_embedding_store")),
        )
    }

    /// Schema and name of the view that joins the embeddings to their rows.
    pub(crate) fn view(&self, entity: &Entity) -> (Option<String>, String) {
        let schema = self.attr.view_schema.as_ref().or(entity.schema_name.as_ref());
        let view = self.attr.view_name.as_ref().map(LitStr::value);
        (
            schema.map(LitStr::value),
            view.unwrap_or_else(|| with_suffix(&entity.table(), "_embedding")),
        )
    }
}

/// `String`, `Option<String>`, or either with a path.
pub(crate) fn is_string(ty: &Type) -> bool {
    let Type::Path(path) = inner_of_option(ty).unwrap_or(ty) else {
        return false;
    };
    path.path.segments.last().is_some_and(|last| last.ident == "String")
}

/// `T` of `Option<T>`, written so.
pub(crate) fn inner_of_option(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    match &last.arguments {
        syn::PathArguments::AngleBracketed(args) if last.ident == "Option" => match args.args.first()? {
            syn::GenericArgument::Type(inner) => Some(inner),
            _ => None,
        },
        _ => None,
    }
}

/// A name and its suffix within PostgreSQL's 63 bytes: the name is cut, so that it is not the suffix that tells two
/// apart.
fn with_suffix(name: &str, suffix: &str) -> String {
    let kept = name.floor_char_boundary(63 - suffix.len());
    format!("{}{suffix}", &name[..kept])
}

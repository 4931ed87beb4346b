//! What SeaORM's own derives make of a struct and its fields.
//!
//! The companion names the parent's columns, so the rules have to be SeaORM's to the letter: `column_name` first, then
//! `rename_all`, then the field's name in snake case.

use heck::{ToKebabCase, ToLowerCamelCase, ToShoutySnakeCase, ToSnakeCase, ToTitleCase, ToUpperCamelCase};
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, GenericArgument, Ident, LitStr, PathArguments, Type};

use crate::attr::skip_value;

/// `#[sea_orm(..)]` on the struct.
#[derive(Debug, Default)]
pub(crate) struct StructAttr {
    pub(crate) table_name: Option<LitStr>,
    pub(crate) schema_name: Option<LitStr>,
    pub(crate) rename_all: Option<CaseStyle>,
    /// The marker that `#[sea_orm::model]` leaves on the `Model` whose `ModelEx` it also writes.
    pub(crate) model_ex: bool,
}

impl StructAttr {
    pub(crate) fn parse(attrs: &[Attribute]) -> Self {
        let mut parsed = Self::default();
        for_each_key(attrs, |meta| {
            if meta.path.is_ident("table_name") {
                parsed.table_name = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("schema_name") {
                parsed.schema_name = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("rename_all") {
                parsed.rename_all = CaseStyle::named(&meta.value()?.parse::<LitStr>()?.value());
            } else {
                parsed.model_ex |= meta.path.is_ident("model_ex");
                skip_value(meta)?;
            }
            Ok(())
        });
        parsed
    }
}

/// `#[sea_orm(..)]` on a field.
#[derive(Debug, Default)]
pub(crate) struct FieldAttr {
    pub(crate) primary_key: bool,
    pub(crate) ignore: bool,
    /// `has_many` or `has_one`, on a relation.
    pub(crate) relates: bool,
    pub(crate) column_name: Option<LitStr>,
    pub(crate) enum_name: Option<Ident>,
    /// `column_type`, `select_as`, `save_as`: how the value travels, the same in the store as in the source.
    pub(crate) conversions: Vec<(Ident, LitStr)>,
}

impl FieldAttr {
    pub(crate) fn parse(attrs: &[Attribute]) -> Self {
        let mut parsed = Self::default();
        for_each_key(attrs, |meta| {
            let Some(key) = meta.path.get_ident() else {
                return skip_value(meta);
            };
            match key.to_string().as_str() {
                "column_name" => parsed.column_name = Some(meta.value()?.parse()?),
                "enum_name" => parsed.enum_name = Some(meta.value()?.parse::<LitStr>()?.parse()?),
                "column_type" | "select_as" | "save_as" => {
                    parsed.conversions.push((key.clone(), meta.value()?.parse()?));
                }
                other => {
                    parsed.primary_key |= other == "primary_key";
                    parsed.ignore |= other == "ignore";
                    parsed.relates |= other == "has_many" || other == "has_one";
                    skip_value(meta)?;
                }
            }
            Ok(())
        });
        parsed
    }

    /// The field's variant in `Column`.
    pub(crate) fn variant(&self, field: &Ident) -> Ident {
        let name = match &self.enum_name {
            Some(variant) => variant.unraw().to_string(),
            None => field.unraw().to_string().to_upper_camel_case(),
        };
        match name.as_str() {
            "Self" => Ident::new("Self_", field.span()),
            name => Ident::new(name, field.span()),
        }
    }

    /// The column's name in the database.
    pub(crate) fn column(&self, field: &Ident, rename_all: Option<CaseStyle>) -> String {
        let name = field.unraw().to_string();
        let camel = name.to_upper_camel_case();
        match (&self.column_name, rename_all) {
            (Some(column), _) => column.value(),
            (None, Some(style)) => style.apply(&camel),
            (None, None) if name != camel.to_snake_case() => name.to_snake_case(),
            (None, None) => self.variant(field).to_string().to_snake_case(),
        }
    }
}

/// What SeaORM cannot read, SeaORM reports; here it is passed over.
fn for_each_key(attrs: &[Attribute], mut read: impl FnMut(&ParseNestedMeta) -> syn::Result<()>) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("sea_orm")) {
        let _ = attr.parse_nested_meta(|meta| read(&meta));
    }
}

/// The values of `rename_all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CaseStyle {
    LowerCamel,
    Kebab,
    Mixed,
    ShoutySnake,
    Snake,
    Title,
    Upper,
    Lower,
    ShoutyKebab,
    UpperCamel,
}

impl CaseStyle {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "camel_case" | "PascalCase" => Self::UpperCamel,
            "camelCase" => Self::LowerCamel,
            "snake_case" | "snek_case" => Self::Snake,
            "kebab_case" | "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ShoutyKebab,
            "shouty_snake_case" | "shouty_snek_case" | "SCREAMING_SNAKE_CASE" => Self::ShoutySnake,
            "title_case" => Self::Title,
            "mixed_case" => Self::Mixed,
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            _ => return None,
        })
    }

    fn apply(self, camel: &str) -> String {
        match self {
            Self::UpperCamel => camel.to_upper_camel_case(),
            // SeaORM lowers the first letter alone, which is what heck's lower camel case does to a camel-case name
            Self::LowerCamel | Self::Mixed => camel.to_lower_camel_case(),
            Self::Snake => camel.to_snake_case(),
            Self::Kebab => camel.to_kebab_case(),
            Self::ShoutyKebab => camel.to_kebab_case().to_uppercase(),
            Self::ShoutySnake => camel.to_shouty_snake_case(),
            Self::Title => camel.to_title_case(),
            Self::Lower => camel.to_lowercase(),
            Self::Upper => camel.to_uppercase(),
        }
    }
}

/// `HasMany<path>` and its kind are relations, not columns. Gives the end of the path: `content_embeddings::Entity`.
pub(crate) fn compound(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    if !["BelongsTo", "HasOne", "HasMany"].iter().any(|name| last.ident == name) {
        return None;
    }
    let mut end = Vec::new();
    if let PathArguments::AngleBracketed(args) = &last.arguments
        && let Some(GenericArgument::Type(Type::Path(entity))) = args.args.first()
    {
        end.extend(
            entity
                .path
                .segments
                .iter()
                .rev()
                .take(2)
                .map(|segment| segment.ident.unraw().to_string()),
        );
    }
    end.reverse();
    Some(end.join("::"))
}

//! What cannot work, said before PostgreSQL or a trait bound would say it.

use proc_macro2::Span;
use syn::{Error, Type};

use crate::ast::{Entity, Key, Vectorizer};
use crate::errors::Errors;

/// The columns that every target table has, and the companion's fields of the same names.
const STORE_COLUMNS: [&str; 4] = ["embedding_uuid", "chunk_seq", "chunk", "embedding"];

/// The companion's field for the row that an embedding belongs to.
const SOURCE_FIELD: &str = "source";

/// Refuses what [`crate::expand`] could not write, or what the database would refuse.
pub(crate) fn check(entity: &Entity) -> Errors {
    let mut errors = Errors::default();
    model(entity, &mut errors);
    keys(entity, &mut errors);
    for (index, vectorizer) in entity.vectorizers.iter().enumerate() {
        column(vectorizer, &mut errors);
        let earlier = &entity.vectorizers[..index];
        distinct(entity, earlier, vectorizer, &mut errors);
    }
    errors
}

/// Whether it is the struct that SeaORM calls the model, or its extended form.
pub(crate) fn is_model(entity: &Entity) -> bool {
    entity.ident == "Model" || entity.ident == "ModelEx"
}

fn model(entity: &Entity, errors: &mut Errors) {
    let mut refuse = |message: &str| errors.push(Error::new(entity.span(), message));
    if !is_model(entity) {
        refuse("`Vectorizer` is derived on the entity's `struct Model`, beside `DeriveEntityModel`");
        return;
    }
    if entity.has_generics {
        refuse("an entity with generics cannot have a vectorizer: SeaORM's entities have none");
    }
    if entity.table_name.is_none() {
        refuse("missing the table's name: write `#[sea_orm(table_name = \"..\")]` on the model");
    }
    if entity.vectorizers.is_empty() {
        refuse("no vectorizer is declared: write `#[vectorizer(dimensions = 768)]` on the text column");
    }
}

fn keys(entity: &Entity, errors: &mut Errors) {
    if entity.keys.is_empty() && !entity.vectorizers.is_empty() {
        errors.push(Error::new(
            entity.span(),
            "the entity has no primary key, by which embeddings find their row: write `#[sea_orm(primary_key)]` on it",
        ));
    }
    for one in &entity.keys {
        errors.ok(key(one));
    }
}

/// A key column must leave the target table's own columns, and the companion's fields, their names.
pub(crate) fn key(key: &Key) -> syn::Result<()> {
    let (field, column) = (&key.field, &key.column);
    if STORE_COLUMNS.contains(&column.as_str()) {
        return Err(Error::new(
            field.span(),
            format!(
                "the key column `{column}` has the name of a column of the target table: rename it in the database"
            ),
        ));
    }
    if STORE_COLUMNS.iter().any(|name| field == name) || field == SOURCE_FIELD {
        return Err(Error::new(
            field.span(),
            format!(
                "the companion has a field `{field}` of its own: rename this one and write \
                 `#[sea_orm(column_name = \"{column}\")]` on it"
            ),
        ));
    }
    Ok(())
}

fn column(vectorizer: &Vectorizer, errors: &mut Errors) {
    let (field, span) = (&vectorizer.field, vectorizer.attr.span);
    if let Some(what) = vectorizer.not_a_column {
        errors.push(Error::new(
            span,
            format!("`{field}` is {what}: `#[vectorizer(..)]` belongs on the text column that is to be embedded"),
        ));
    } else if let Some(ty) = certainly_not_text(&vectorizer.ty) {
        errors.push(Error::new(
            span,
            format!("`{field}` is a column of `{ty}`: only text can be embedded, a `String` or an `Option<String>`"),
        ));
    }
}

/// An alias or a newtype may well be text; the types of the language that hold none cannot.
fn certainly_not_text(ty: &Type) -> Option<String> {
    const NOT_TEXT: [&str; 15] = [
        "bool", "i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128", "f32", "f64", "Uuid", "PgVector",
    ];
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    if last.ident == "Option"
        && let syn::PathArguments::AngleBracketed(args) = &last.arguments
        && let Some(syn::GenericArgument::Type(inner)) = args.args.first()
    {
        return certainly_not_text(inner);
    }
    NOT_TEXT
        .iter()
        .any(|name| last.ident == name)
        .then(|| last.ident.to_string())
}

fn distinct(entity: &Entity, earlier: &[Vectorizer], vectorizer: &Vectorizer, errors: &mut Errors) {
    let (field, table) = (&vectorizer.field, entity.table());
    let place = |key: Option<Span>| key.unwrap_or(vectorizer.attr.span);
    let attr = &vectorizer.attr;
    let Some(twin) = earlier.iter().find(|twin| {
        twin.module == vectorizer.module
            || twin.target(entity) == vectorizer.target(entity)
            || twin.view(entity) == vectorizer.view(entity)
    }) else {
        return;
    };
    let suffix = field.to_string().trim_start_matches("r#").to_owned();
    if twin.module == vectorizer.module {
        errors.push(Error::new(
            place(attr.name.as_ref().map(proc_macro2::Ident::span)),
            format!(
                "two vectorizers are named `{}`: give this one another `name = \"..\"`",
                vectorizer.module
            ),
        ));
    }
    if twin.target(entity) == vectorizer.target(entity) {
        errors.push(Error::new(
            place(attr.target_table.as_ref().map(syn::LitStr::span)),
            format!(
                "two vectorizers have the target table `{}`: give this one its own, as in \
                 `target_table = \"{table}_{suffix}_embedding_store\"`",
                vectorizer.target(entity).1
            ),
        ));
    }
    if twin.view(entity) == vectorizer.view(entity) {
        errors.push(Error::new(
            place(attr.view_name.as_ref().map(syn::LitStr::span)),
            format!(
                "two vectorizers have the view `{}`: give this one its own, as in `view_name = \"{table}_{suffix}_embedding\"`",
                vectorizer.view(entity).1
            ),
        ));
    }
}

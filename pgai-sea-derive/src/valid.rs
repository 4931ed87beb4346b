//! What cannot work, said before PostgreSQL or a trait bound would say it.

mod destination;
mod names;
mod options;

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::{Error, Ident, LitStr, Type};

pub(crate) use self::names::fits_companion;

use crate::ast::{Entity, Vectorizer, inner_of_option};
use crate::errors::Errors;

/// Refuses what [`crate::expand`] could not write, or what the database would refuse.
pub(crate) fn check(entity: &Entity) -> Errors {
    let mut errors = Errors::default();
    let mut refuse = |message: &str| errors.push(Error::new(entity.span(), message));
    if !entity.is_model {
        refuse("`Vectorizer` is derived on a SeaORM entity's `struct Model`, beside `DeriveEntityModel`");
        return errors;
    }
    if entity.has_generics {
        refuse("an entity with generics cannot have a vectorizer: SeaORM's entities have none");
    }
    if entity.table_name.is_none() {
        refuse("missing the table's name: write `#[sea_orm(table_name = \"..\")]` on the model");
    }
    if let Some(misplaced) = entity.misplaced {
        errors.push(Error::new(
            misplaced,
            "`#[vectorizer(..)]` belongs on the text column that is to be embedded",
        ));
    } else if entity.vectorizers.is_empty() {
        refuse("no vectorizer is declared: write `#[vectorizer(dimensions = 768)]` on the text column");
    } else if entity.keys.is_empty() {
        refuse("no primary key, by which embeddings find their row: write `#[sea_orm(primary_key)]` on it");
    }
    if !entity.vectorizers.is_empty() {
        names::check(entity, &mut errors);
    }
    for (index, vectorizer) in entity.vectorizers.iter().enumerate() {
        column(vectorizer, &mut errors);
        default(entity, index, &mut errors);
        destination::check(entity, vectorizer, &mut errors);
        options::check(entity, vectorizer, &mut errors);
        if !vectorizer.in_column() {
            own_names(entity, vectorizer, &mut errors);
        }
        for twin in &entity.vectorizers[..index] {
            distinct(entity, twin, vectorizer, &mut errors);
        }
    }
    errors
}

fn column(vectorizer: &Vectorizer, errors: &mut Errors) {
    let (field, span) = (&vectorizer.field, vectorizer.attr.span);
    if let Some(what) = vectorizer.not_a_column {
        errors.push(Error::new(
            span,
            format!("`{field}` is {what}: `#[vectorizer(..)]` belongs on the text column that is to be embedded"),
        ));
    } else if vectorizer.in_column() {
        destination::holds_vectors(vectorizer, errors);
    } else if let Some(ty) = certainly_not_text(&vectorizer.ty) {
        let vector = if ty == "PgVector" {
            "; to keep the vectors in this column, write `destination = \"column\"`"
        } else {
            ""
        };
        errors.push(Error::new(
            span,
            format!(
                "`{field}` is a column of `{ty}`: only text can be embedded, a `String` or an `Option<String>`{vector}"
            ),
        ));
    }
}

/// A search on the entity is by one vectorizer.
fn default(entity: &Entity, index: usize, errors: &mut Errors) {
    let vectorizer = &entity.vectorizers[index];
    let Some(span) = vectorizer.attr.default else { return };
    let message = if vectorizer.in_column() {
        "`default` belongs to a table destination: an entity with a column of vectors is always searched by that column"
            .to_owned()
    } else if let Some(column) = entity.vectorizers.iter().find(|other| other.in_column()) {
        format!(
            "a search on the entity is by its column `{}`: leave `default` out, and search on `{}::Entity`",
            column.field, vectorizer.module
        )
    } else if entity.vectorizers[..index]
        .iter()
        .any(|other| other.attr.default.is_some())
    {
        "two vectorizers are the `default`: a search on the entity is by one of them, so remove one `default`"
            .to_owned()
    } else {
        return;
    };
    errors.push(Error::new(span, message));
}

/// An alias or a newtype may well be text; the types of the language that hold none cannot.
fn certainly_not_text(ty: &Type) -> Option<String> {
    const NOT_TEXT: [&str; 15] = [
        "bool", "i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128", "f32", "f64", "Uuid", "PgVector",
    ];
    if let Some(inner) = inner_of_option(ty) {
        return certainly_not_text(inner);
    }
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    NOT_TEXT
        .iter()
        .any(|name| last.ident == name)
        .then(|| last.ident.to_string())
}

/// The target table and the view need names that neither the other nor the source has.
fn own_names(entity: &Entity, vectorizer: &Vectorizer, errors: &mut Errors) {
    let attr = &vectorizer.attr;
    let mut refuse = |key: &Option<LitStr>, message: String| {
        errors.push(Error::new(key.as_ref().map_or(attr.span, LitStr::span), message));
    };
    let source = (entity.schema_name.as_ref().map(LitStr::value), entity.table());
    let (target, view) = (vectorizer.target(entity), vectorizer.view(entity));
    if target.1 == source.1 {
        let message = format!(
            "the target table is called `{}`, as the entity's own table is: queries on both tell them apart by that \
             name, in \
             whichever schema they are. Give it another, as in `target_table = \"{}_embedding_store\"`",
            target.1, source.1
        );
        refuse(&attr.target_table, message);
    }
    if view == source {
        let message = format!(
            "the view is called `{}`, as the entity's own table is: give it another name, as in `view_name = \
             \"{}_embedding\"`",
            view.1, source.1
        );
        refuse(&attr.view_name, message);
    } else if view == target {
        let key = if attr.view_name.is_some() {
            &attr.view_name
        } else {
            &attr.target_table
        };
        let message = format!(
            "the view and the target table are both called `{}`: give the view another name, as in `view_name = \
             \"{}_embedding\"`",
            view.1, source.1
        );
        refuse(key, message);
    }
}

/// Two vectorizers of one table need modules, target tables and views of their own.
fn distinct(entity: &Entity, twin: &Vectorizer, vectorizer: &Vectorizer, errors: &mut Errors) {
    let attr = &vectorizer.attr;
    let mut refuse = |key: Option<Span>, message: String| errors.push(Error::new(key.unwrap_or(attr.span), message));
    match (twin.in_column(), vectorizer.in_column()) {
        (true, true) => {
            let message = format!(
                "an entity is searched by one column of its own: let this vectorizer have a table, without \
                 `destination = \"column\"`, or leave the attribute out, create the vectorizer in a migration and \
                 order by \
                 `Column::{}.cosine_distance(..)`",
                vectorizer.variant
            );
            return refuse(attr.column_destination, message);
        }
        (false, false) => {}
        _ => return,
    }
    if twin.module == vectorizer.module {
        refuse(
            attr.name.as_ref().map(Ident::span),
            format!(
                "two vectorizers are named `{}`: give this one another `name = \"..\"`",
                vectorizer.module
            ),
        );
    }
    let (target, view) = (vectorizer.target(entity), vectorizer.view(entity));
    let (same_target, same_view) = (twin.target(entity) == target, twin.view(entity) == view);
    let own = format!("{}_{}_embedding", entity.table(), vectorizer.field.unraw());
    if same_target {
        let view_too = if same_view {
            format!(", view_name = \"{own}\"")
        } else {
            String::new()
        };
        refuse(
            attr.target_table.as_ref().map(LitStr::span),
            format!(
                "two vectorizers have the target table `{}`: give this one its own, as in \
                 `target_table = \"{own}_store\"{view_too}`",
                target.1
            ),
        );
    } else if same_view {
        refuse(
            attr.view_name.as_ref().map(LitStr::span),
            format!(
                "two vectorizers have the view `{}`: give this one its own, as in `view_name = \"{own}\"`",
                view.1
            ),
        );
    } else if view == twin.target(entity) {
        refuse(
            attr.view_name.as_ref().map(LitStr::span),
            format!(
                "the view `{}` is the target table of another vectorizer: give this one its own, as in `view_name = \
                 \"{own}\"`",
                view.1
            ),
        );
    } else if target == twin.view(entity) {
        refuse(
            attr.target_table.as_ref().map(LitStr::span),
            format!(
                "the target table `{}` is the view of another vectorizer: give this one its own, as in \
                 `target_table = \"{own}_store\"`",
                target.1
            ),
        );
    }
}

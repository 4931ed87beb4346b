//! Names that a source table's columns cannot have.

use syn::Error;

use super::certainly_not_text;
use crate::ast::{Column, Entity, Key};
use crate::errors::Errors;

/// The columns that every target table has, its view as well, and the companion's fields of the same names.
const STORE_COLUMNS: [&str; 4] = ["embedding_uuid", "chunk_seq", "chunk", "embedding"];

/// What a queue and its dead letters have besides the source's key.
const QUEUE_COLUMNS: [&str; 5] = [
    "queued_at",
    "loading_retries",
    "loading_retry_after",
    "created_at",
    "failure_step",
];

/// The companion's field for the row that an embedding belongs to.
const SOURCE_FIELD: &str = "source";

pub(super) fn check(entity: &Entity, errors: &mut Errors) {
    let has_store = entity.vectorizers.iter().any(|vectorizer| !vectorizer.in_column());
    for column in &entity.columns {
        let key = entity.keys.iter().find(|key| key.field == column.field);
        let refused = match key {
            _ if column.name == "chunk" => Some(
                "the template's `$chunk` is the text to embed, and hides a column `chunk`: rename it in the database"
                    .to_owned(),
            ),
            Some(_) if QUEUE_COLUMNS.contains(&&*column.name) => Some(format!(
                "the key column `{}` has the name of a column of the vectorizer's queue, which holds keys as well: \
                 rename \
                 it in the database",
                column.name
            )),
            Some(key) if has_store => in_companion(key),
            None if has_store && STORE_COLUMNS.contains(&&*column.name) => in_view(entity, column),
            _ => None,
        };
        if let Some(message) = refused {
            errors.push(Error::new(column.field.span(), message));
        }
    }
}

/// Whether the companion can have the key's column and field beside its own.
pub(crate) fn fits_companion(key: &Key) -> bool {
    in_companion(key).is_none()
}

fn in_companion(key: &Key) -> Option<String> {
    let (field, column) = (&key.field, &key.column);
    if STORE_COLUMNS.contains(&&**column) {
        return Some(format!(
            "the key column `{column}` has the name of a column of the target table: rename it in the database"
        ));
    }
    let taken = STORE_COLUMNS.iter().any(|name| field == name) || field == SOURCE_FIELD;
    taken.then(|| {
        format!(
            "the companion has a field `{field}` of its own: rename this one and write \
             `#[sea_orm(column_name = \"{column}\")]` on it"
        )
    })
}

fn in_view(entity: &Entity, column: &Column) -> Option<String> {
    let own = entity
        .vectorizers
        .iter()
        .find(|vectorizer| vectorizer.field == column.field);
    let instead = match own {
        Some(own) if own.in_column() => "give this one another name, as in `#[sea_orm(column_name = \"vector\")]`",
        // that it holds no text is said already, and how it can stay
        Some(_) if certainly_not_text(&column.ty).is_some() => return None,
        _ => "rename this one in the database",
    };
    let name = &column.name;
    Some(format!(
        "the view that joins embeddings and rows has a column `{name}` besides the row's: {instead}"
    ))
}

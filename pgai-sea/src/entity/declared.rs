//! The builder of a declared vectorizer, as far as the attribute's names go.

use super::declaration::{Declaration, DeclaredDestination};
use crate::vectorizer::{CreateVectorizer, is_vectorizer_name};

/// What the derive starts [`EmbeddingTrait::vectorizer`](super::EmbeddingTrait::vectorizer) with.
#[doc(hidden)]
#[must_use]
pub fn declared(declaration: &Declaration) -> CreateVectorizer {
    let create = match declaration.source_schema {
        Some(schema) => CreateVectorizer::new((schema, declaration.source_table)),
        None => CreateVectorizer::new(declaration.source_table),
    };
    let create = create
        .loading(crate::config::Loading::column(declaration.loading_column))
        .declared_dimensions(declaration.dimensions);
    match own_name(declaration) {
        Some(name) => create.name(name),
        None => create,
    }
}

/// A name for the vectorizer, where the default that both catalogs make of its tables' names is none for pgai's.
///
/// It is made as our own catalog makes it; what is left to the search path is left out.
fn own_name(declaration: &Declaration) -> Option<String> {
    let parts = match declaration.destination {
        DeclaredDestination::Table {
            target_schema,
            target_table,
            ..
        } => [target_schema.or(declaration.source_schema), Some(target_table), None],
        DeclaredDestination::Column { embedding_column } => [
            declaration.source_schema,
            Some(declaration.source_table),
            Some(embedding_column),
        ],
    };
    let default = parts.into_iter().flatten().collect::<Vec<_>>().join("_");
    if is_vectorizer_name(&default) {
        return None;
    }
    let mut name: String = default
        .to_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '_'
            }
        })
        .collect();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert(0, 'v');
    }
    name.truncate(63);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_only_where_the_default_is_none() {
        let name = |source_schema, source_table, destination| {
            own_name(&Declaration::new(
                "",
                (source_schema, source_table),
                "body",
                3,
                destination,
                || CreateVectorizer::new("posts"),
            ))
        };
        let table = |target_schema, target_table| DeclaredDestination::Table {
            target_schema,
            target_table,
            view_schema: None,
            view_name: "v",
            halfvec: false,
        };
        let column = |embedding_column| DeclaredDestination::Column { embedding_column };
        for (schema, source, destination, expected) in [
            (None, "posts", table(None, "posts_embedding_store"), None),
            (Some("app"), "Posts", table(None, "store"), None),
            (
                None,
                "BlogPosts",
                table(None, "BlogPosts_embedding_store"),
                Some("blogposts_embedding_store"),
            ),
            (Some("App"), "posts", table(None, "store"), Some("app_store")),
            (Some("App"), "posts", table(Some("vectors"), "store"), None),
            (
                None,
                "b\u{fc}cher",
                table(None, "b\u{fc}cher store"),
                Some("b_cher_store"),
            ),
            (None, "2025", table(None, "2025_store"), Some("v2025_store")),
            (Some("app"), "Posts", column("vector"), Some("app_posts_vector")),
            (None, "posts", column("vector"), None),
        ] {
            assert_eq!(
                name(schema, source, destination).as_deref(),
                expected,
                "{source} {destination:?}"
            );
        }
        let long = name(None, "posts", table(None, &*"\u{e9}".repeat(70).leak())).unwrap();
        assert_eq!(long, format!("v{}", "_".repeat(62)));
    }
}

//! What entities declare, and the list of it.

use std::fmt;

use sea_orm::EntityTrait;

use crate::vectorizer::{CreateVectorizer, is_vectorizer_name};

/// An entity that is searched by meaning: a companion, or with `destination = "column"` the source itself.
///
/// `#[derive(Vectorizer)]` implements it.
pub trait VectorizedTrait: EntityTrait {
    /// What the attribute says.
    const DECLARATION: Declaration;

    /// The vectorizer that the attribute declares, for a migration: source, loading column and destination, and what it has of
    /// `embedding`, `chunking`, `formatting` and `indexing`.
    ///
    /// What the attribute leaves out is added with the builder's setters. An `embedding` whose dimensions are not the
    /// attribute's is refused by the builder, with both numbers.
    fn vectorizer() -> CreateVectorizer;
}

/// One `#[vectorizer(..)]`, as the compiler knows it.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The path of the module whose `Entity` is searched: `my_app::blog_post::content_embeddings`.
    pub module: &'static str,
    /// The source's schema. `None`: along the search path.
    pub source_schema: Option<&'static str>,
    /// The source table.
    pub source_table: &'static str,
    /// The column of the source whose text is embedded.
    pub loading_column: &'static str,
    /// The length of the vectors.
    pub dimensions: u32,
    /// Where they are.
    pub destination: DeclaredDestination,
    /// [`VectorizedTrait::vectorizer`] of the entity that is searched.
    pub vectorizer: fn() -> CreateVectorizer,
}

/// Where a declared vectorizer's embeddings are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclaredDestination {
    /// In a table of their own.
    Table {
        /// Its schema. `None`: the source's.
        target_schema: Option<&'static str>,
        /// Its name.
        target_table: &'static str,
        /// The schema of the view that joins it to the source. `None`: the source's.
        view_schema: Option<&'static str>,
        /// That view.
        view_name: &'static str,
    },
    /// In a column of the source.
    Column {
        /// Its name.
        embedding_column: &'static str,
    },
}

/// The column that is embedded: `website.posts.body`.
impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = self.source_schema {
            write!(f, "{schema}.")?;
        }
        write!(f, "{}.{}", self.source_table, self.loading_column)
    }
}

/// An entry of the registry. Its field is what the derive fills in.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registered(pub &'static Declaration);

inventory::collect!(Registered);

/// The vectorizers that are declared in the program, in the order of their modules' paths.
///
/// They are those of every crate that is linked into it. A crate of entities of which nothing is ever named is left out by the
/// linker, and its declarations with it.
#[must_use]
pub fn declarations() -> Vec<&'static Declaration> {
    let mut declarations: Vec<_> = inventory::iter::<Registered>().map(|registered| registered.0).collect();
    declarations.sort_by_key(|declaration| (declaration.module, declaration.source_table));
    declarations
}

/// What the derive starts [`VectorizedTrait::vectorizer`] with.
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
            own_name(&Declaration {
                module: "",
                source_schema,
                source_table,
                loading_column: "body",
                dimensions: 3,
                destination,
                vectorizer: || CreateVectorizer::new("posts"),
            })
        };
        let table = |target_schema, target_table| DeclaredDestination::Table {
            target_schema,
            target_table,
            view_schema: None,
            view_name: "v",
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

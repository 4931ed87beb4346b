//! What entities declare, and the list of it.

use std::fmt;

use sea_orm::EntityTrait;

use crate::vectorizer::CreateVectorizer;

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
    create
        .loading(crate::config::Loading::column(declaration.loading_column))
        .declared_dimensions(declaration.dimensions)
}

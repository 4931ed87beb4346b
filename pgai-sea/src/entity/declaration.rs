//! What an attribute declares.

use std::fmt;

use crate::vectorizer::CreateVectorizer;

/// One `#[vectorizer(..)]`, as the compiler knows it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Declaration {
    /// The path of the module whose `Entity` holds the embeddings: `my_app::blog_post::content_embeddings`.
    pub module: &'static str,
    /// The source's schema. `None`: along the search path.
    pub source_schema: Option<&'static str>,
    /// The source table.
    pub source_table: &'static str,
    /// The column of the source whose text is embedded.
    pub loading_column: &'static str,
    /// The length of the vectors.
    pub dimensions: u32,
    /// Where the embeddings are.
    pub destination: DeclaredDestination,
    /// [`EmbeddingTrait::vectorizer`](super::EmbeddingTrait::vectorizer) of that entity.
    pub vectorizer: fn() -> CreateVectorizer,
}

impl Declaration {
    /// What the derive writes.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(
        module: &'static str,
        (source_schema, source_table): (Option<&'static str>, &'static str),
        loading_column: &'static str,
        dimensions: u32,
        destination: DeclaredDestination,
        vectorizer: fn() -> CreateVectorizer,
    ) -> Self {
        Self {
            module,
            source_schema,
            source_table,
            loading_column,
            dimensions,
            destination,
            vectorizer,
        }
    }
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
        /// Whether its vectors are of the type `halfvec`, and not `vector`.
        halfvec: bool,
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

//! What can go wrong with a search.

use sea_orm::DbErr;

use crate::embedder::EmbedError;

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The query's vector cannot be compared with the stored ones.
    #[error(
        "the query vector has {actual} dimensions, those of {table} have {expected}: embed the query with the vectorizer's model"
    )]
    Dimensions {
        /// The table of embeddings.
        table: String,
        /// The length of the stored vectors.
        expected: usize,
        /// The length of the query.
        actual: usize,
    },
    /// A vector with NaN or an infinite number is near to nothing.
    #[error("the query vector has {value} at position {position}, which has no distance to anything")]
    NotFinite {
        /// Where, from 0.
        position: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// The query is text, and only running the search embeds it.
    #[error("the query text has no vector yet: embed it, or run the search")]
    NotEmbedded,
    /// The query's text could not be embedded.
    #[error("embedding the query text failed")]
    Embed(#[from] EmbedError),
    /// The database refused the query.
    #[error("the search query failed")]
    Db(#[from] DbErr),
}

/// So that `?` works in functions that return SeaORM's error.
impl From<SearchError> for DbErr {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Db(error) => error,
            SearchError::Embed(error) => Self::Custom(format!("embedding the query text failed: {error}")),
            error => Self::Custom(error.to_string()),
        }
    }
}

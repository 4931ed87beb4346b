//! What can go wrong with a search.

use sea_orm::DbErr;

use super::ranking::RerankError;
use crate::embedder::EmbedError;
use crate::pgvector::Metric;

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
    /// Only vectors with a direction have an angle between them.
    #[error(
        "the query vector has only zeros, and so no direction and no cosine distance to anything: search by another metric"
    )]
    ZeroVector,
    /// pgvector's sums have no room for the query's numbers.
    #[error(
        "the query vector is too long for the metric {metric:?}, which pgvector adds up in single precision: every distance would be \
         infinite; make its numbers smaller, or search by the cosine"
    )]
    TooLong {
        /// The search's metric.
        metric: Metric,
    },
    /// An expression, which only the database evaluates, is no vector.
    #[error("the query expression is NULL: there is no vector to search by")]
    NullQuery,
    /// The query is text, a function that embeds, or a row, and only running the search finds its vector.
    #[error("the query has no vector before the search runs")]
    NoVectorYet,
    /// The row that others are compared with is not embedded.
    #[error(
        "there is no embedding of the row with key {key} in {table}: the row is missing, empty, or waits for the worker"
    )]
    RowWithoutVectors {
        /// The table that is searched.
        table: String,
        /// The row's key.
        key: String,
    },
    /// pgvector would not accept a setting.
    #[error("{setter}({value}) is out of range: pgvector takes 1 to {max}")]
    Setting {
        /// The setter.
        setter: &'static str,
        /// What it was given.
        value: u32,
        /// The largest value.
        max: u32,
    },
    /// Only the cosine and the inner product are similarities.
    #[error(
        "min_similarity has no meaning for the metric {metric:?}: set max_distance, or search by the cosine or the inner product"
    )]
    NoSimilarity {
        /// The search's metric.
        metric: Metric,
    },
    /// A distance of bits, and vectors to measure it by.
    #[error(
        "the metric {metric:?} is one of bits: to search vectors by their bits, say quantized(Quantized::binary())"
    )]
    MetricOfBits {
        /// The search's metric.
        metric: Metric,
    },
    /// A number that has no meaning for what it was given to.
    #[error("{setter}({value}) is out of range: it takes {range}")]
    Number {
        /// The setter.
        setter: &'static str,
        /// What it was given.
        value: f64,
        /// What it takes.
        range: &'static str,
    },
    /// A full-text search on rows without chunks.
    #[error("{table} has no chunks to search for words: say with FullText::on or FullText::on_text where its text is")]
    NoText {
        /// The table that is searched.
        table: String,
    },
    /// PostgreSQL has no text with NUL.
    #[error("the full-text query has a NUL at byte {position}, which PostgreSQL takes in no text: leave it out")]
    Nul {
        /// Where, from 0.
        position: usize,
    },
    /// The reranker failed.
    #[error("reranking failed")]
    Rerank(#[from] RerankError),
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
            SearchError::Rerank(error) => Self::Custom(format!("reranking failed: {error}")),
            error => Self::Custom(error.to_string()),
        }
    }
}

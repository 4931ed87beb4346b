//! Why a search fails.

use sea_orm::{DbErr, EntityName};

use crate::catalog::CatalogError;
use crate::embedder::EmbedError;
use crate::pgvector::Metric;
use crate::rerank::RerankError;

/// Why a search failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The query vector has another length than the entity declares.
    #[error(
        "the query vector has {actual} dimensions, the vectors in {table} have {expected}: embed the query with the \
            vectorizer's model"
    )]
    Dimensions {
        /// The table that is searched.
        table: String,
        /// The length of the stored vectors.
        expected: usize,
        /// The length of the query vector.
        actual: usize,
    },
    /// The column in the database has another length than the entity declares.
    #[error(
        "the query vector has {query} dimensions, as the entity declares, but the vectors in {table} have {stored}: \
            migrate the \
         vectorizer or change the entity; `pgai_sea::check` lists where the two differ"
    )]
    StoredDimensions {
        /// The table that is searched.
        table: String,
        /// The length of the vectors in the database.
        stored: usize,
        /// The length of the query vector, which the entity declares.
        query: usize,
    },
    /// The query's vector is of another model than the stored vectors.
    #[error(
        "the query vector was made by {model:?}, and {table} has vectors of {stored:?}: embed the query with that model"
    )]
    WrongModel {
        /// The table that is searched.
        table: String,
        /// The model of the query.
        model: String,
        /// The model of the stored vectors.
        stored: String,
    },
    /// The generation that has vectors of the query's model is being embedded.
    #[error(
        "the query vector was made by {model:?}, and the vectors of this model in {table} are being embedded: search \
         with this model when `pgai-sea change status` says that it is ready"
    )]
    NotEmbeddedYet {
        /// The table that is searched.
        table: String,
        /// The model of the query.
        model: String,
    },
    /// The transaction began before the model was changed, and its isolation shows it the catalog of that moment.
    #[error(
        "searching {table} failed: its model was changed after this transaction began. Search in a new transaction, or \
         in one at READ COMMITTED"
    )]
    OldSnapshot {
        /// The table that is searched.
        table: String,
    },
    /// The connection's role may not read which model answers.
    #[error(
        "searching {table} failed: this role may not read which model made its vectors. Let a migration call \
         `manager.grant_search(..)` for it, or grant it `usage on schema ai` and `select on ai.vectorizer` ({source})"
    )]
    Hidden {
        /// The table that is searched.
        table: String,
        /// The database's error.
        source: DbErr,
    },
    /// The catalog does not say which model answers: the role may not read it, or it has no such vectorizer.
    #[error("the vectorizer's model is not known: {0}")]
    Catalog(#[from] CatalogError),
    /// The query vector has NaN or an infinite number.
    #[error("the query vector has {value} at position {position}: every number has to be finite")]
    NotFinite {
        /// The position, from 0.
        position: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// The query vector has only zeros, and the search measures the cosine.
    #[error("the query vector has only zeros, so it has no cosine distance to anything: search by another metric")]
    ZeroVector,
    /// The query vector is so long that pgvector's sums overflow.
    #[error(
        "the query vector is too long for the metric {metric:?}: pgvector adds up in single precision, and every \
            distance would be \
         infinite; make its numbers smaller, or search by the cosine"
    )]
    TooLong {
        /// The search's metric.
        metric: Metric,
    },
    /// The query is an expression, and the database evaluated it to NULL.
    #[error("the query expression is NULL: there is no vector to search by")]
    NullQuery,
    /// The query is a text, a function that embeds, or a row. Its vector is known once the search runs.
    #[error("the query has no vector before the search runs: run the search, or search by a vector")]
    NoVectorYet,
    /// The row of [`search_like`](super::SearchTrait::search_like) has no embedding.
    #[error(
        "there is no embedding of the row with key {key} in {table}: the row is missing, empty, or waits for the worker"
    )]
    RowWithoutVectors {
        /// The table that is searched.
        table: String,
        /// The row's key.
        key: String,
    },
    /// pgvector would refuse a setting.
    #[error("{setter}({value}) is out of range: pgvector takes 1 to {max}")]
    Setting {
        /// The setter.
        setter: &'static str,
        /// The value that it was given.
        value: u32,
        /// The largest value.
        max: u32,
    },
    /// The metric has no similarity. Only the cosine and the inner product have one.
    #[error(
        "min_similarity has no meaning for the metric {metric:?}: set max_distance, or search by the cosine or the \
            inner product"
    )]
    NoSimilarity {
        /// The search's metric.
        metric: Metric,
    },
    /// The metric compares bits, and the column holds vectors.
    #[error("the metric {metric:?} compares bits: to search vectors by their bits, set quantized(Quantized::binary())")]
    MetricOfBits {
        /// The search's metric.
        metric: Metric,
    },
    /// A setter does not take this number.
    #[error("{setter}({value}) is out of range: it takes {range}")]
    Number {
        /// The setter.
        setter: &'static str,
        /// The value that it was given.
        value: f64,
        /// What it takes.
        range: &'static str,
    },
    /// The cursor does not go with the search.
    #[error("the search of {table} cannot go on behind a cursor: {reason}")]
    Cursor {
        /// The table that is searched.
        table: String,
        /// What is in the way, and what to do.
        reason: &'static str,
    },
    /// A full-text search needs text, and the searched table has no chunks.
    #[error("{table} has no chunks to search for words: name the text with FullText::on or FullText::on_text")]
    NoText {
        /// The table that is searched.
        table: String,
    },
    /// The full-text query has a NUL, which PostgreSQL takes in no text.
    #[error("the full-text query has a NUL at byte {position}, which PostgreSQL takes in no text: remove it")]
    Nul {
        /// The position, from 0.
        position: usize,
    },
    /// The reranker failed.
    #[error("reranking failed: {0}")]
    Rerank(#[from] RerankError),
    /// The query text could not be embedded.
    #[error("embedding the query text failed: {0}")]
    Embed(#[from] EmbedError),
    /// The connection's `search_path` does not lead to pgvector.
    #[error(
        "searching {table} failed: the search_path of this connection does not lead to pgvector. Add the schema of \
         pgvector to it, for example `alter role app set search_path = app, extensions`, and connect again ({source})"
    )]
    NoPgvector {
        /// The table that is searched.
        table: String,
        /// The database's error.
        source: DbErr,
    },
    /// The database failed or refused the search.
    #[error("searching {table} failed: {source}{}", crate::pooled::advice(source))]
    Db {
        /// The table that is searched.
        table: String,
        /// The database's error.
        source: DbErr,
    },
}

/// Lets `?` work in functions that return SeaORM's error.
impl From<SearchError> for DbErr {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Db { source, .. }
            | SearchError::NoPgvector { source, .. }
            | SearchError::Hidden { source, .. } => source,
            error => Self::Custom(error.to_string()),
        }
    }
}

/// The name of an entity's table, as errors have it.
pub(super) fn table_of<E: EntityName + Default>() -> String {
    let entity = E::default();
    match entity.schema_name() {
        Some(schema) => format!("{schema}.{}", entity.table_name()),
        None => entity.table_name().to_owned(),
    }
}

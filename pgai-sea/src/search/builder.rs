//! A search on a companion entity.

use std::marker::PhantomData;

use sea_orm::sea_query::{Condition, Expr, IntoCondition};
use sea_orm::{ConnectionTrait, Statement};

use super::error::SearchError;
use super::expr::{IntoVector, Metric, VectorExpr};
use super::found::{Chunks, Found, SearchableTrait, WithSource};
use super::statement::{Plan, SearchStatement};
use crate::embedder::{Embedder, InputType};
use crate::entity::EmbeddingTrait;

/// Rows of a page where no limit is set.
const DEFAULT_LIMIT: u64 = 10;

/// Starts searches: on every companion entity, and on entities with a vector of their own.
pub trait SearchTrait: SearchableTrait {
    /// Searches by a vector, a column, or an expression such as [`ai::openai_embed`](super::ai::openai_embed).
    fn search<Kind>(query: impl IntoVector<Kind>) -> Search<'static, Self, Self::Found> {
        Search::new(match query.into_vector() {
            VectorExpr::Vector(vector) => SearchQuery::Vector(vector),
            VectorExpr::Expr(expr) => SearchQuery::Expr(expr),
        })
    }

    /// Searches by text, which `embedder` turns into a vector when the search runs. It has to be the vectorizer's model.
    fn search_text(embedder: &dyn Embedder, text: impl Into<String>) -> Search<'_, Self, Self::Found> {
        Search::new(SearchQuery::Text(embedder, text.into()))
    }
}

impl<E: SearchableTrait> SearchTrait for E {}

#[derive(Clone, Debug)]
enum SearchQuery<'a> {
    Vector(Vec<f32>),
    Expr(Expr),
    Text(&'a dyn Embedder, String),
}

/// A search for the chunks nearest to a query. Cosine distance and ten hits where nothing else is said.
///
/// ```no_run
/// # use pgai_sea::prelude::*;
/// # async fn f<E: EmbeddingTrait>(db: &sea_orm::DatabaseConnection, query: Vec<f32>) -> Result<(), SearchError> {
/// # type Embeddings<E> = E;
/// for hit in Embeddings::<E>::search(query).max_distance(0.6).limit(5).all(db).await? {
///     println!("{:.3} {}", hit.distance, hit.embedding.chunk);
/// }
/// # Ok(())
/// # }
/// ```
///
/// `F` says what it finds: chunks, after [`with_source`](Self::with_source) chunks with the rows that they belong to, or rows,
/// where the vector is a column of theirs.
#[derive(Clone, Debug)]
#[must_use = "a search does nothing until `all` or `one` runs it"]
pub struct Search<'a, E, F = Chunks> {
    query: SearchQuery<'a>,
    plan: Plan,
    entity: PhantomData<(E, F)>,
}

impl<'a, E: EmbeddingTrait> Search<'a, E> {
    /// One row per hit: the chunk, its distance and the row of the source table.
    pub fn with_source(self) -> Search<'a, E, WithSource> {
        Search {
            query: self.query,
            plan: self.plan,
            entity: PhantomData,
        }
    }
}

impl<'a, E: SearchableTrait, F: Found<E>> Search<'a, E, F> {
    fn new(query: SearchQuery<'a>) -> Self {
        let plan = Plan {
            metric: Metric::default(),
            filter: Condition::all(),
            max_distance: None,
            limit: DEFAULT_LIMIT,
            vectors: false,
        };
        Self {
            query,
            plan,
            entity: PhantomData,
        }
    }

    /// Runs it: the nearest, nearest first.
    ///
    /// # Errors
    ///
    /// A query vector of the wrong length or with NaN is refused before the database is asked.
    pub async fn all<C: ConnectionTrait>(self, db: &C) -> Result<Vec<F::Hit>, SearchError> {
        if self.plan.limit == 0 {
            return Ok(Vec::new());
        }
        let statement = match &self.query {
            SearchQuery::Vector(vector) => self.by_vector(vector)?,
            SearchQuery::Expr(expr) => self.plan.statement::<E, F>(expr),
            SearchQuery::Text(embedder, text) => {
                let mut vectors = embedder.embed(std::slice::from_ref(text), InputType::Query).await?;
                self.by_vector(&vectors.pop().unwrap_or_default())?
            }
        };
        let rows = statement.query_all(db).await?;
        let hits: Result<Vec<_>, _> = rows.iter().map(|row| F::read(row, self.plan.vectors)).collect();
        Ok(hits?)
    }

    /// Runs it for the nearest alone.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn one<C: ConnectionTrait>(self, db: &C) -> Result<Option<F::Hit>, SearchError> {
        Ok(self.limit(1).all(db).await?.pop())
    }

    /// Only those for which `condition` holds, on columns of the embeddings and of the source. Several filters hold together.
    ///
    /// A filtered search still fills its page: pgvector's iterative scan is on for this query alone (pgvector 0.8).
    pub fn filter(mut self, condition: impl IntoCondition) -> Self {
        self.plan.filter = self.plan.filter.add(condition.into_condition());
        self
    }

    /// The distance that is measured; by default cosine. An index serves the metric of its operator class only.
    pub fn metric(mut self, metric: Metric) -> Self {
        self.plan.metric = metric;
        self
    }

    /// Only those at most this far away.
    pub fn max_distance(mut self, max_distance: f64) -> Self {
        self.plan.max_distance = Some(max_distance);
        self
    }

    /// The most hits; by default ten.
    pub fn limit(mut self, limit: u64) -> Self {
        self.plan.limit = limit;
        self
    }

    /// Sends the vectors back as well, as [`Chunk::embedding`](super::Chunk::embedding) or in the row's own field, which is none
    /// otherwise.
    pub fn with_vectors(mut self) -> Self {
        self.plan.vectors = true;
        self
    }

    /// The statement, with the query's vector bound.
    ///
    /// # Errors
    ///
    /// A query vector of the wrong length or with NaN, and a text that has not been embedded.
    pub fn statement(&self) -> Result<Statement, SearchError> {
        match &self.query {
            SearchQuery::Vector(vector) => Ok(self.by_vector(vector)?.build()),
            SearchQuery::Expr(expr) => Ok(self.plan.statement::<E, F>(expr).build()),
            SearchQuery::Text(..) => Err(SearchError::NotEmbedded),
        }
    }

    fn by_vector(&self, vector: &[f32]) -> Result<SearchStatement, SearchError> {
        if vector.len() != E::DIMENSIONS {
            return Err(SearchError::Dimensions {
                table: E::default().table_name().to_owned(),
                expected: E::DIMENSIONS,
                actual: vector.len(),
            });
        }
        if let Some((position, value)) = vector.iter().copied().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(SearchError::NotFinite { position, value });
        }
        Ok(self.plan.statement::<E, F>(&VectorExpr::Vector(vector.to_vec()).into()))
    }
}

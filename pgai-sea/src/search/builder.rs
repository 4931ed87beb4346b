//! A search, from its query to its hits.

use std::marker::PhantomData;

use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, PartialModelTrait, Statement};

use super::error::SearchError;
use super::found::{Chunks, Found, FoundKey, Partial, SearchableTrait, WithSource};
use super::hits::Hits;
use super::page::{comparable, matching, nearest};
use super::plan::{Attempt, Plan};
use super::query::SearchQuery;
use super::recall::Recall;
use super::statement::SearchStatement;
use crate::embedder::Embedder;
use crate::entity::{EmbeddingTrait, SearchedByTrait};
use crate::pgvector::IntoVector;

/// Starts searches: on every companion entity, and on entities with a vector of their own.
pub trait SearchTrait: SearchableTrait {
    /// Searches by a vector, by a function of [`ai`](super::ai), or by a column or an expression, which may be another vector for each
    /// row. An expression is evaluated wherever a statement of the search has it.
    fn search<Kind>(query: impl IntoVector<Kind>) -> Search<'static, Self, Self::Found> {
        Search::new(query.into_vector().into())
    }

    /// Searches by text, which `embedder` turns into a vector when the search runs. It has to be the vectorizer's model.
    fn search_text(embedder: &dyn Embedder, text: impl Into<String>) -> Search<'_, Self, Self::Found> {
        Search::new(SearchQuery::Text(embedder, text.into()))
    }

    /// Searches for more like the source row with this key, which is no hit itself. A row of several chunks is compared by the mean
    /// of their vectors.
    fn search_like(key: FoundKey<Self>) -> Search<'static, Self, Self::Found> {
        Search::new(SearchQuery::like(key))
    }

    /// Measures how many of the `k` nearest an index finds, and how fast, for `sample` stored vectors.
    fn recall(k: u64, sample: u64) -> Recall<Self> {
        Recall::new(k, sample)
    }
}

impl<E: SearchableTrait> SearchTrait for E {}

/// Starts searches on a source entity with one vectorizer: whole rows, ranked by the best of their chunks.
///
/// They are [`best_per_source`](Search::best_per_source) searches [`with_source`](Search::with_source) on its companion.
pub trait SourceSearchTrait: SearchedByTrait {
    /// Searches by a vector, by a function of [`ai`](super::ai), or by a column or an expression, which may be another vector for each
    /// row. An expression is evaluated wherever a statement of the search has it.
    fn search<Kind>(query: impl IntoVector<Kind>) -> Search<'static, Self::Embeddings, WithSource> {
        Self::Embeddings::search(query).best_per_source().with_source()
    }

    /// Searches by text, which `embedder` turns into a vector when the search runs. It has to be the vectorizer's model.
    fn search_text(embedder: &dyn Embedder, text: impl Into<String>) -> Search<'_, Self::Embeddings, WithSource> {
        Self::Embeddings::search_text(embedder, text)
            .best_per_source()
            .with_source()
    }

    /// Searches for more like the row with this key, which is no hit itself.
    fn search_like(key: FoundKey<Self::Embeddings>) -> Search<'static, Self::Embeddings, WithSource> {
        Self::Embeddings::search_like(key).best_per_source().with_source()
    }
}

impl<E: SearchedByTrait> SourceSearchTrait for E {}

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
///
/// A page with fewer hits than asked for means that there are no more, of a [maximal distance](Self::max_distance) as far as the index
/// knows. An index on vectors alone could not promise that: it looks at a number of candidates and then stops, whatever a filter
/// dropped of them. So a filtered or long search scans on ([`iterative_scan`](Self::iterative_scan)), and what still comes back short
/// is repeated without the index, unless the search was told to give up; then [`Hits::missing`] says what is not there.
///
/// Where settings have to hold for the search alone, its statement makes and undoes them itself with `set_config`, which keeps
/// PostgreSQL from spreading it over parallel workers. An exact search of a large table has none, and may be parallel.
#[derive(Clone, Debug)]
#[must_use = "a search does nothing until `all` or `one` runs it"]
pub struct Search<'a, E, F = Chunks> {
    pub(super) query: SearchQuery<'a>,
    pub(super) plan: Plan,
    entity: PhantomData<(E, F)>,
}

impl<'a, E: EmbeddingTrait> Search<'a, E> {
    /// One row per hit: the chunk, its distance and the row of the source table.
    pub fn with_source(self) -> Search<'a, E, WithSource> {
        self.finding()
    }
}

impl<'a, E: SearchableTrait, F: Found<E>> Search<'a, E, F> {
    fn new(query: SearchQuery<'a>) -> Self {
        let plan = Plan {
            except: query.except::<E>(),
            operand: query.operand_kind(),
            ..Plan::default()
        };
        Self {
            query,
            plan,
            entity: PhantomData,
        }
    }

    fn finding<G>(self) -> Search<'a, E, G> {
        Search {
            query: self.query,
            plan: self.plan,
            entity: PhantomData,
        }
    }

    /// Only what a partial model has of the embeddings and of the rows that they belong to, as
    /// [`Select::into_partial_model`](sea_orm::Select::into_partial_model) does it.
    pub fn into_partial_model<P: PartialModelTrait>(self) -> Search<'a, E, Partial<P>> {
        self.finding()
    }

    /// Runs it: the nearest, nearest first.
    ///
    /// # Errors
    ///
    /// A query vector of the wrong length, with NaN, or of zeros where the cosine is measured, and settings that pgvector would refuse,
    /// before the database is asked; an expression that turns out to be NULL or zeros.
    pub async fn all<C: ConnectionTrait>(self, db: &C) -> Result<Hits<F::Hit>, SearchError> {
        self.plan.check()?;
        self.query.check::<E>(self.plan.metric)?;
        if self.plan.limit == 0 {
            return Ok(Hits::default());
        }
        let query = self.query.resolve::<E, _>(self.plan.metric, db).await?;
        let (rows, missing) = nearest::<E, F, _>(&self.plan, &query, db).await?;
        let hits: Result<Vec<_>, _> = rows.iter().map(|row| F::read(row, self.plan.vectors)).collect();
        Ok(Hits::new(hits?, missing))
    }

    /// Runs it for the nearest alone.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn one<C: ConnectionTrait>(self, db: &C) -> Result<Option<F::Hit>, SearchError> {
        Ok(self.limit(1).all(db).await?.into_iter().next())
    }

    /// How many there are to be found on all pages together, counted one by one: without a filter or a maximum that an index serves
    /// this reads the whole table.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn count<C: ConnectionTrait>(self, db: &C) -> Result<u64, SearchError> {
        self.plan.check()?;
        let query = self.query.resolve::<E, _>(self.plan.metric, db).await?;
        let matching = matching::<E, F, _>(&self.plan, &query, None, db).await?;
        if matching == 0 {
            comparable::<E, F, _>(&self.plan, &query, db).await?;
        }
        Ok(matching)
    }

    /// The statement that is sent first, with the query's vector bound. Distances beyond a maximum are dropped from its rows when
    /// they are read, so that a page that was cut can be told from one that the index did not fill.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all); and a query by text, by a function of [`ai`](super::ai) or by a row, which has no vector before the
    /// search runs.
    pub fn statement(&self) -> Result<Statement, SearchError> {
        self.plan.check()?;
        Ok(self.first(&self.query.operand::<E>(self.plan.metric)?).build())
    }

    /// The same for a query whose vector is known.
    pub(super) async fn resolved<C: ConnectionTrait>(&self, db: &C) -> Result<Statement, SearchError> {
        self.plan.check()?;
        Ok(self
            .first(&self.query.resolve::<E, _>(self.plan.metric, db).await?)
            .build())
    }

    fn first(&self, query: &Expr) -> SearchStatement {
        let attempt = self.plan.attempts().first().copied().unwrap_or(Attempt::Exact);
        self.plan.statement::<E, F>(query, attempt)
    }
}

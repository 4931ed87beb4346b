//! A search, from its query to its hits.

use std::fmt;
use std::marker::PhantomData;

use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, PartialModelTrait, Statement};
use tracing::Instrument as _;

use super::error::SearchError;
use super::explain::{Explanation, explain};
use super::freshness::Queue;
use super::generation::Routing;
use super::hits::Hits;
use super::page::{comparable, matching, nearest};
use super::plan::{Attempt, Plan};
use super::projection::{Chunks, Partial, Projection, WithSource};
use super::quantized::Quantized;
use super::query::SearchQuery;
use super::refusal::Searching as _;
use super::statement::SearchStatement;
use super::telemetry::Telemetry;
use crate::entity::EmbeddingTrait;

/// A search for the chunks nearest to a query. By default it measures the cosine distance and returns ten hits.
///
/// ```no_run
/// # use pgai_sea::prelude::*;
/// # async fn f<E>(db: &sea_orm::DatabaseConnection, query: Vec<f32>) -> Result<(), SearchError>
/// # where
/// #     E: EmbeddingTrait + SearchTrait<Embeddings = E, Projection = pgai_sea::search::Chunks>,
/// # {
/// # type Embeddings<E> = E;
/// for hit in Embeddings::<E>::search(query).max_distance(0.6).limit(5).all(db).await? {
///     println!("{:.3} {}", hit.distance, hit.embedding.chunk);
/// }
/// # Ok(())
/// # }
/// ```
///
/// `F` is what it returns: chunks, after [`with_source`](Self::with_source) chunks with the rows that they belong to,
/// or rows that have a vector of their own.
///
/// A page is short only if there are no more rows. A filtered search looks at the first hundred rows of the index, or
/// at two for each that is wanted. If fewer than a quarter of the page pass the filter, the database is asked how many
/// rows it expects to pass of all: where comparing them one by one is sooner done than a scan that looks for them, they
/// are compared. Otherwise the scan goes on until the page is full ([`iterative_scan`](Self::iterative_scan)). If it is
/// still short, the search runs again without the index. A search that was told to give up does not; [`Hits::missing`]
/// then counts the rows that were not found. With a [maximal distance](Self::max_distance), an index may miss rows;
/// [`exact`](Self::exact) misses none.
///
/// Settings hold for the search alone: its statement makes and undoes them with `set_config`. PostgreSQL runs such a
/// statement without parallel workers. An exact search has no settings, and may be parallel.
#[must_use = "a search does nothing until `all` or `one` runs it"]
pub struct Search<'a, E, F = Chunks> {
    pub(super) query: SearchQuery<'a>,
    pub(super) plan: Plan,
    entity: PhantomData<fn() -> (E, F)>,
}

impl<E, F> Clone for Search<'_, E, F> {
    fn clone(&self) -> Self {
        Self {
            query: self.query.clone(),
            plan: self.plan.clone(),
            entity: PhantomData,
        }
    }
}

impl<E, F> fmt::Debug for Search<'_, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut search = f.debug_struct("Search");
        search.field("query", &self.query).field("plan", &self.plan).finish()
    }
}

impl<'a, E: EmbeddingTrait> Search<'a, E> {
    /// Returns one row per hit: the chunk, its distance and the row of the source table.
    pub fn with_source(self) -> Search<'a, E, WithSource> {
        self.finding()
    }
}

impl<'a, E: EmbeddingTrait, F: Projection<E>> Search<'a, E, F> {
    pub(super) fn new(query: SearchQuery<'a>) -> Self {
        let plan = Plan {
            except: query.except::<E>(),
            operand: query.operand_kind(),
            quantized: Quantized::declared::<E>(),
            ..Plan::default()
        };
        Self {
            query,
            plan,
            entity: PhantomData,
        }
    }

    pub(super) fn finding<G>(self) -> Search<'a, E, G> {
        Search {
            query: self.query,
            plan: self.plan,
            entity: PhantomData,
        }
    }

    /// Returns a partial model of the embeddings and of the rows that they belong to, as
    /// [`Select::into_partial_model`](sea_orm::Select::into_partial_model) does.
    pub fn into_partial_model<P: PartialModelTrait>(self) -> Search<'a, E, Partial<P>> {
        self.finding()
    }

    /// Runs the search. The nearest hit comes first.
    ///
    /// # Errors
    ///
    /// Before the database is asked: a query vector of the wrong length, with NaN, or of zeros with the cosine, and
    /// settings that pgvector would refuse. From the database: an expression that is NULL or zeros, and whatever else
    /// fails.
    pub async fn all<C: ConnectionTrait>(self, db: &C) -> Result<Hits<F::Hit>, SearchError> {
        let mut telemetry = Telemetry::begin::<E>(self.plan.limit);
        let span = telemetry.span();
        let found = self.find(db, &mut telemetry).instrument(span).await;
        telemetry.ended(&found);
        found
    }

    async fn find<C: ConnectionTrait>(
        mut self,
        db: &C,
        telemetry: &mut Telemetry,
    ) -> Result<Hits<F::Hit>, SearchError> {
        self.plan.check::<E>()?;
        self.query.check::<E>(self.plan.metric)?;
        if self.plan.limit == 0 {
            return Ok(Hits::default());
        }
        if self.plan.queue.is_some() {
            self.plan.queue = Some(Queue::of::<E, _>(db).await?);
        }
        let mut routing = Routing::begin::<E, _>(&self.query, self.plan.model.as_deref(), db).await?;
        let (rows, missing) = loop {
            let mut plan = routing.plan(&self.plan);
            let query = self.query.resolve::<E, _>(&mut plan, db);
            let query = telemetry.embedding(self.query.is_text(), query).await?;
            plan.settle_bounded::<E, _>(db).await.searching::<E>()?;
            let found = nearest::<E, F, _>(&plan, &query, db).await;
            if !routing
                .again::<E, _, _>(&plan, &found, |(rows, _)| rows.is_empty(), db)
                .await?
            {
                break found?;
            }
        };
        let hits: Result<Hits<_>, _> = rows.iter().map(|row| self.plan.read::<E, F>(row)).collect();
        let next = self.plan.next(&rows).searching::<E>()?;
        Ok(hits.searching::<E>()?.with_missing(missing).with_next_cursor(next))
    }

    /// Runs the search for the nearest hit alone.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn one<C: ConnectionTrait>(self, db: &C) -> Result<Option<F::Hit>, SearchError> {
        Ok(self.limit(1).all(db).await?.into_iter().next())
    }

    /// Embeds the text of the search now, for this search and its clones: before a transaction begins, say, so that
    /// none is open while a provider is asked. A search by anything else has nothing to embed.
    ///
    /// ```no_run
    /// # mod blog_post { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/blog_post.rs")); }
    /// # use pgai_sea::prelude::*;
    /// # use sea_orm::TransactionTrait;
    /// # async fn f(db: &sea_orm::DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
    /// # let embedders = pgai_sea::Embedders::new();
    /// let search = blog_post::Entity::search_text(&embedders, "index a column");
    /// search.embed(db).await?;
    /// let transaction = db.begin().await?; // with the tenant's settings
    /// let hits = search.all(&transaction).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn embed<C: ConnectionTrait>(&self, db: &C) -> Result<(), SearchError> {
        if self.query.is_text() {
            let routing = Routing::begin::<E, _>(&self.query, self.plan.model.as_deref(), db).await?;
            let mut plan = routing.plan(&self.plan);
            self.query.resolve::<E, _>(&mut plan, db).await?;
        }
        Ok(())
    }

    /// Counts the hits of all pages. It reads the whole table, unless an index serves a filter. A text is embedded once
    /// for a search and its clones: `search.clone().count(db)`, then `search.all(db)`.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn count<C: ConnectionTrait>(self, db: &C) -> Result<u64, SearchError> {
        self.plan.check::<E>()?;
        let all = Plan {
            paging: None,
            ..self.plan.clone()
        };
        let mut routing = Routing::begin::<E, _>(&self.query, all.model.as_deref(), db).await?;
        loop {
            let mut plan = routing.plan(&all);
            let query = self.query.resolve::<E, _>(&mut plan, db).await?;
            let matching = matching::<E, F, _>(&plan, &query, None, db).await;
            if routing
                .again::<E, _, _>(&plan, &matching, |matching| *matching == 0, db)
                .await?
            {
                continue;
            }
            let matching = matching?;
            if matching == 0 {
                comparable::<E, F, _>(&plan, &query, db).await?;
            }
            return Ok(matching);
        }
    }

    /// The statement that the search sends first, with the query vector bound. Its rows are not cut at the maximal
    /// distance: the search drops farther ones when it reads them, because it has to know whether the index filled the
    /// page.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all). A query by text, by a function of [`ai`](super::ai) or by a row has no vector before the
    /// search runs, and is refused.
    pub fn statement(&self) -> Result<Statement, SearchError> {
        self.plan.check::<E>()?;
        let query = self.query.operand::<E>(self.plan.metric)?;
        let routing = Routing::guess::<E>(&self.query, self.plan.model.as_deref());
        Ok(Self::first(&routing.plan(&self.plan), &query).build())
    }

    /// Returns PostgreSQL's plan of the statement that is sent first: whether an index on vectors serves it. Nothing is
    /// searched, but a query text is embedded.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all). A connection that takes no raw statements, such as SeaORM's `RestrictedConnection`,
    /// refuses `EXPLAIN`.
    pub async fn explain<C: ConnectionTrait>(&self, db: &C) -> Result<Explanation, SearchError> {
        self.plan.check::<E>()?;
        let routing = Routing::begin::<E, _>(&self.query, self.plan.model.as_deref(), db).await?;
        let mut plan = routing.plan(&self.plan);
        let query = self.query.resolve::<E, _>(&mut plan, db).await?;
        plan.settle::<E, _>(db).await.searching::<E>()?;
        let statement = Self::first(&plan, &query).build();
        explain(db, statement, &plan).await.searching::<E>()
    }

    /// The number of hits of a full page.
    #[cfg(feature = "quality")]
    pub(crate) fn page_limit(&self) -> u64 {
        self.plan.limit
    }

    fn first(plan: &Plan, query: &Expr) -> SearchStatement {
        let attempt = plan.attempts().first().copied().unwrap_or(Attempt::Exact);
        plan.statement::<E, F>(query, attempt)
    }
}

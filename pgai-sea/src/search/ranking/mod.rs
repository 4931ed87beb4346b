//! Searches in two steps: a window of the nearest rows, put in a better order.
//!
//! A window can be fused with the finds of a full-text search, put in the order of a [`Reranker`], and thinned of hits that say the
//! same. Each step is optional; they happen in this order, and the page is cut from the end.

mod diversity;
mod full_text;
mod fusion;
mod hit;
mod rerank;
mod statement;

pub use self::full_text::FullText;
pub use self::hit::Ranked;
pub use self::rerank::{RerankError, Reranker};

use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult};

use self::diversity::{Candidate, choose, relevance};
use self::fusion::Fusion;
use self::rerank::Reranking;
use self::statement::{SCANNED, VECTOR_RANK, Window, fused};
use super::builder::Search;
use super::error::SearchError;
use super::explain::{Explanation, explain};
use super::found::{Found, SearchableTrait};
use super::hits::Hits;
use super::page::{comparable, missing, nearest};
use super::plan::{Attempt, ForRanking, Plan};

/// Rows that the steps choose from, if nobody says otherwise.
const DEFAULT_WINDOW: u64 = 50;

/// A search whose nearest rows are put in a better order. [`hybrid`](Search::hybrid), [`rerank`](Search::rerank) and
/// [`diversify`](Search::diversify) start it; what is said about the [`Search`] before holds.
#[derive(Debug)]
#[must_use = "a search does nothing until `all` or `one` runs it"]
pub struct Ranking<'a, E: SearchableTrait, F: Found<E>> {
    search: Search<'a, E, F>,
    window: u64,
    fusion: Fusion,
    text: Option<FullText>,
    reranking: Option<Reranking<'a, F::Hit>>,
    diversity: Option<f64>,
}

impl<'a, E: SearchableTrait, F: Found<E>> Search<'a, E, F> {
    /// Fuses the nearest rows with those that a full-text search finds, by reciprocal rank fusion: what both find comes first.
    ///
    /// A filter holds for both, a maximal distance for the nearest alone.
    ///
    /// ```no_run
    /// # use pgai_sea::prelude::*;
    /// # async fn f<E: EmbeddingTrait>(db: &sea_orm::DatabaseConnection, model: &dyn Embedder) -> Result<(), SearchError> {
    /// # type Embeddings<E> = E;
    /// let question = "how do I index a column?";
    /// let hits = Embeddings::<E>::search_text(model, question).hybrid(FullText::websearch(question)).all(db).await?;
    /// for hit in &hits {
    ///     println!("{:.4} {:?} {:?} {}", hit.score, hit.vector_rank, hit.text_rank, hit.embedding.chunk);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn hybrid(self, text: FullText) -> Ranking<'a, E, F> {
        self.ranking().hybrid(text)
    }

    /// Puts the nearest rows in the order of a reranker, which reads `passage` of each of them beside `query`.
    pub fn rerank(
        self,
        reranker: &'a dyn Reranker,
        query: impl Into<String>,
        passage: impl Fn(&F::Hit) -> String + Send + Sync + 'a,
    ) -> Ranking<'a, E, F> {
        self.ranking().rerank(reranker, query, passage)
    }

    /// Leaves out what says the same as a better hit, see [`Ranking::diversify`].
    pub fn diversify(self, lambda: f64) -> Ranking<'a, E, F> {
        self.ranking().diversify(lambda)
    }

    fn ranking(self) -> Ranking<'a, E, F> {
        Ranking {
            search: self,
            window: DEFAULT_WINDOW,
            fusion: Fusion::default(),
            text: None,
            reranking: None,
            diversity: None,
        }
    }
}

impl<'a, E: SearchableTrait, F: Found<E>> Ranking<'a, E, F> {
    /// See [`Search::hybrid`].
    pub fn hybrid(mut self, text: FullText) -> Self {
        self.text = Some(text);
        self
    }

    /// See [`Search::rerank`].
    pub fn rerank(
        mut self,
        reranker: &'a dyn Reranker,
        query: impl Into<String>,
        passage: impl Fn(&F::Hit) -> String + Send + Sync + 'a,
    ) -> Self {
        self.reranking = Some(Reranking::new(reranker, query.into(), passage));
        self
    }

    /// Maximal marginal relevance: takes hit after hit, each time the one with the largest `lambda · relevance − (1 − lambda) ·
    /// similarity` to its most similar predecessor. `lambda` from 0, all variety, to 1, which changes nothing.
    ///
    /// The similarity is the cosine of two stored vectors. The relevance is the cosine with the query; where a full-text search
    /// or a reranker has a say it is their score, stretched from 0 for the window's worst to 1 for its best.
    pub fn diversify(mut self, lambda: f64) -> Self {
        self.diversity = Some(lambda);
        self
    }

    /// How many rows each of the vectors and the full text may propose; by default 50, and never fewer than the page needs.
    pub fn window(mut self, window: u64) -> Self {
        self.window = window;
        self
    }

    /// The constant `k` of reciprocal rank fusion, by default 60: a find of rank r scores `weight / (k + r)`. The larger it is,
    /// the less the first ranks stand out.
    pub fn k(mut self, k: f64) -> Self {
        self.fusion.k = k;
        self
    }

    /// How much the vectors and the full text count in reciprocal rank fusion, by default 1 and 1.
    pub fn weights(mut self, vector: f64, text: f64) -> Self {
        self.fusion.vector = vector;
        self.fusion.text = text;
        self
    }

    /// Runs it: the best, best first.
    ///
    /// # Errors
    ///
    /// As [`Search::all`]; a `k`, a weight or a `lambda` out of range; a reranker that fails.
    pub async fn all<C: ConnectionTrait>(self, db: &C) -> Result<Hits<Ranked<F::Hit>>, SearchError> {
        let plan = self.window_plan()?;
        let (offset, limit) = (place(self.search.plan.offset), place(self.search.plan.limit));
        if limit == 0 {
            return Ok(Hits::default());
        }
        let query = self.search.query.resolve::<E, _>(plan.metric, db).await?;
        let (rows, missing) = match &self.text {
            Some(text) => self.fused(&plan, &query, text, db).await?,
            None => nearest::<E, F, _>(&plan, &query, db).await?,
        };
        let mut window = Vec::with_capacity(rows.len());
        let mut candidates = Vec::new();
        for (row, rank) in rows.iter().zip(1..) {
            let hit = F::read(row, plan.vectors)?;
            window.push(match self.text {
                Some(_) => Ranked::read(row, hit)?,
                None => Ranked::nearest(self.fusion.nearest(rank), rank, hit),
            });
            if plan.ranking.vectors {
                candidates.push(Candidate::read(row)?);
            }
        }

        let mut order: Vec<usize> = (0..window.len()).collect();
        if let Some(reranking) = &self.reranking {
            reranking.score(&mut window).await?;
            order.sort_by(|a, b| {
                let score = |place: &usize| window[*place].rerank_score.unwrap_or(f64::NEG_INFINITY);
                score(b).total_cmp(&score(a))
            });
        }
        if let Some(lambda) = self.diversity {
            let by_score = self.text.is_some() || self.reranking.is_some();
            let relevance = relevance(by_score, &window, &candidates);
            order = choose(lambda, &relevance, &candidates, order, offset.saturating_add(limit));
        }
        let mut window: Vec<_> = window.into_iter().map(Some).collect();
        let page = order.into_iter().skip(offset).take(limit);
        Ok(Hits::new(
            page.filter_map(|place| window[place].take()).collect(),
            missing,
        ))
    }

    /// Runs it for the best alone.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn one<C: ConnectionTrait>(mut self, db: &C) -> Result<Option<Ranked<F::Hit>>, SearchError> {
        self.search = self.search.limit(1);
        Ok(self.all(db).await?.into_iter().next())
    }

    /// Asks for the plan of the statement that is sent first. Nothing is searched, but a text is embedded.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn explain<C: ConnectionTrait>(&self, db: &C) -> Result<Explanation, SearchError> {
        let plan = self.window_plan()?;
        let query = self.search.query.resolve::<E, _>(plan.metric, db).await?;
        let attempt = plan.attempts().first().copied().unwrap_or(Attempt::Exact);
        let statement = match &self.text {
            Some(text) => {
                let statement = fused::<E, F>(&plan, &text.matching::<E>()?, &query, &self.asked(), attempt);
                DbBackend::Postgres.build(&statement)
            }
            None => plan.statement::<E, F>(&query, attempt).build(),
        };
        Ok(explain(db, statement).await?)
    }

    /// The plan of the window: what the page needs and what there is to choose from.
    fn window_plan(&self) -> Result<Plan, SearchError> {
        let plan = &self.search.plan;
        plan.check()?;
        self.fusion.check()?;
        if let Some(lambda) = self.diversity.filter(|lambda| !(0.0..=1.0).contains(lambda)) {
            return Err(SearchError::Number {
                setter: "diversify",
                value: lambda,
                range: "0 to 1",
            });
        }
        Ok(Plan {
            limit: self.window.max(plan.reach()),
            offset: 0,
            ranking: ForRanking {
                source: self.text.as_ref().is_some_and(FullText::is_elsewhere),
                vectors: self.diversity.is_some(),
            },
            ..plan.clone()
        })
    }

    /// Of the fused rows: all that there are to choose from, or the page.
    fn asked(&self) -> Window {
        let page = self.search.plan.reach();
        Window {
            rows: if self.reranking.is_some() || self.diversity.is_some() {
                self.window.max(page)
            } else {
                page
            },
            fusion: self.fusion,
        }
    }

    /// The fused rows, and how many belong there but were not found.
    async fn fused<C: ConnectionTrait>(
        &self,
        plan: &Plan,
        query: &Expr,
        text: &FullText,
        db: &C,
    ) -> Result<(Vec<QueryResult>, u64), SearchError> {
        let text = text.matching::<E>()?;
        let window = self.asked();
        let mut rows = Vec::new();
        for attempt in plan.attempts() {
            rows = db
                .query_all(&fused::<E, F>(plan, &text, query, &window, attempt))
                .await?;
            // a leg that came back short has not seen everything
            let scanned: u64 = match rows.first() {
                Some(row) => row.try_get::<i64>("", SCANNED)?.unsigned_abs(),
                None => 0,
            };
            let is_whole = match attempt {
                Attempt::Scan { window, .. } => scanned >= window,
                Attempt::Exact => true,
            };
            if is_whole && rows.len() as u64 >= window.rows {
                break;
            }
        }
        let mut ranks = rows.iter().map(|row| row.try_get("", VECTOR_RANK));
        if ranks.all(|rank: Result<Option<i64>, _>| matches!(rank, Ok(None))) {
            comparable::<E, F, _>(plan, query, db).await?;
        }
        let missing = missing::<E, F, _>(&self.search.plan, query, rows.len() as u64, db).await?;
        Ok((rows, missing))
    }
}

fn place(row: u64) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

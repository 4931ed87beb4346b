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
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult};

use self::diversity::{Candidate, choose, relevance};
use self::fusion::Fusion;
use self::rerank::Reranking;
use self::statement::{Matching, NEAR, PLACE, RANKABLE, VECTOR_RANK, Window, fused};
use super::builder::Search;
use super::error::SearchError;
use super::explain::{Explanation, explain};
use super::found::Found;
use super::hits::Hits;
use super::page::{comparable, missing, nearest};
use super::plan::{Attempt, ForRanking, Plan};
use super::scan::SCANNED;
use crate::entity::EmbeddingTrait;

/// Rows that the steps choose from, if nobody says otherwise.
const DEFAULT_WINDOW: u64 = 50;

/// A search whose nearest rows are put in a better order. [`hybrid`](Search::hybrid), [`rerank`](Search::rerank) and
/// [`diversify`](Search::diversify) start it; what is said about the [`Search`] before holds. A row is one hit here, however often a
/// [join](Search::join) has it.
#[derive(Debug)]
#[must_use = "a search does nothing until `all` or `one` runs it"]
pub struct Ranking<'a, E: EmbeddingTrait, F: Found<E>> {
    search: Search<'a, E, F>,
    window: u64,
    fusion: Fusion,
    text: Option<FullText>,
    reranking: Option<Reranking<'a, F::Hit>>,
    diversity: Option<f64>,
}

impl<'a, E: EmbeddingTrait, F: Found<E>> Search<'a, E, F> {
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

impl<'a, E: EmbeddingTrait, F: Found<E>> Ranking<'a, E, F> {
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

    /// How many rows each of the vectors and the full text may propose, and how many of what they propose a reranker and
    /// [`diversify`](Self::diversify) put in order; by default 50. It is the same for every page, so that pages follow each other: rows
    /// beyond it come after those within, as they are fused and at last by their distance alone. A search from one page to the next
    /// should have a window of as many rows as people look at.
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
    /// [`Hits::missing`] is here of the rows that the vectors propose, not of the page: how many belong in the
    /// [window](Self::window), or up to the end of a page beyond it, but were not found because the search was told to give up early.
    ///
    /// # Errors
    ///
    /// As [`Search::all`]; a window, a `k`, a weight or a `lambda` out of range; a full-text search where nothing says what text is
    /// searched; a reranker that fails, or gives a score that is not finite.
    pub async fn all<C: ConnectionTrait>(self, db: &C) -> Result<Hits<Ranked<F::Hit>>, SearchError> {
        let plan = self.window_plan()?;
        let text = self.matching()?;
        let (offset, limit) = (place(self.search.plan.offset), place(self.search.plan.limit));
        if limit == 0 {
            return Ok(Hits::default());
        }
        let query = self.search.query.resolve::<E, _>(plan.metric, db).await?;
        let (rows, missing) = match &text {
            Some(text) => self.fused(&plan, &query, text, db).await?,
            None => nearest::<E, F, _>(&plan, &query, db).await?,
        };
        let mut hits = Vec::with_capacity(rows.len());
        let mut candidates = Vec::new();
        for (row, rank) in rows.iter().zip(1..) {
            let hit = F::read(row, plan.vectors)?;
            hits.push(match text {
                Some(_) => Ranked::read(row, hit)?,
                None => Ranked::nearest(self.fusion.nearest(rank), rank, hit),
            });
            if plan.ranking.vectors {
                candidates.push(Candidate::read(row)?);
            }
        }
        let order = self.order(&mut hits, &candidates).await?;
        let mut hits: Vec<_> = hits.into_iter().map(Some).collect();
        let page = order.into_iter().skip(offset).take(limit);
        Ok(Hits::new(
            page.filter_map(|place| hits[place].take()).collect(),
            missing,
        ))
    }

    /// The places of `hits` in the order in which they come back, as far as the page needs them: the window is put in order, what lies
    /// beyond stays behind it.
    async fn order(&self, hits: &mut [Ranked<F::Hit>], candidates: &[Candidate]) -> Result<Vec<usize>, SearchError> {
        let window = Ord::min(place(self.window), hits.len());
        let mut order: Vec<usize> = (0..window).collect();
        if place(self.search.plan.offset) < window {
            if let Some(reranking) = &self.reranking {
                reranking.score(&mut hits[..window]).await?;
                order.sort_by(|a, b| {
                    let score = |place: &usize| hits[*place].rerank_score.unwrap_or(f64::NEG_INFINITY);
                    score(b).total_cmp(&score(a))
                });
            }
            if let Some(lambda) = self.diversity {
                let by_score = self.text.is_some() || self.reranking.is_some();
                let relevance = relevance(by_score, &hits[..window], &candidates[..window]);
                let wanted = place(self.search.plan.reach());
                order = choose(lambda, &relevance, &candidates[..window], order, wanted);
            }
        }
        order.extend(window..hits.len());
        Ok(order)
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
    /// As [`all`](Self::all); a connection that takes no raw statements, such as SeaORM's `RestrictedConnection`: `EXPLAIN` is one.
    pub async fn explain<C: ConnectionTrait>(&self, db: &C) -> Result<Explanation, SearchError> {
        let plan = self.window_plan()?;
        let text = self.matching()?;
        let query = self.search.query.resolve::<E, _>(plan.metric, db).await?;
        let attempt = plan.attempts().first().copied().unwrap_or(Attempt::Exact);
        let statement = match &text {
            Some(text) => DbBackend::Postgres.build(&fused::<E, F>(&plan, text, &query, &self.asked(), attempt)),
            None => plan.statement::<E, F>(&query, attempt).build(),
        };
        Ok(explain(db, statement, plan.is_quantized()).await?)
    }

    /// What the full text has to match, and how well it does.
    fn matching(&self) -> Result<Option<Matching>, SearchError> {
        self.text.as_ref().map(FullText::matching::<E>).transpose()
    }

    /// The plan of the window: what the page needs and what there is to choose from. Refuses what has no right answer.
    fn window_plan(&self) -> Result<Plan, SearchError> {
        let plan = &self.search.plan;
        plan.check()?;
        self.search.query.check::<E>(plan.metric)?;
        self.fusion.check()?;
        if self.window == 0 {
            return Err(SearchError::Number {
                setter: "window",
                value: 0.0,
                range: "1 or more",
            });
        }
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
                distinct: true,
            },
            ..plan.clone()
        })
    }

    /// Of the fused rows: all that there are to choose from, and the page.
    fn asked(&self) -> Window {
        let page = self.search.plan.reach();
        Window {
            ranked: self.window,
            rows: if self.reranking.is_some() || self.diversity.is_some() {
                self.window.max(page)
            } else {
                page
            },
            fusion: self.fusion,
        }
    }

    /// The fused rows, and how many the leg of vectors should have had as well.
    async fn fused<C: ConnectionTrait>(
        &self,
        plan: &Plan,
        query: &Expr,
        text: &Matching,
        db: &C,
    ) -> Result<(Vec<QueryResult>, u64), SearchError> {
        let window = self.asked();
        let mut rows = Vec::new();
        let mut near = 0;
        let mut is_exhausted = false;
        for attempt in plan.attempts() {
            if is_exhausted && attempt != Attempt::Exact {
                continue;
            }
            rows = db
                .query_all(&fused::<E, F>(plan, text, query, &window, attempt))
                .await?;
            let status = rows.first();
            let status =
                status.ok_or_else(|| DbErr::RecordNotFound("a hybrid search says nothing of itself".to_owned()))?;
            let count = |name| status.try_get::<i64>("", name).map(i64::unsigned_abs);
            near = count(NEAR)?;
            if attempt == Attempt::Exact || count(RANKABLE)? >= plan.limit {
                break;
            }
            is_exhausted = plan.is_exhausted(attempt, count(SCANNED)?);
        }
        let is_hit = |row: &QueryResult| Ok::<_, DbErr>(row.try_get::<Option<i64>>("", PLACE)?.is_some());
        if let Some(false) = rows.first().map(is_hit).transpose()? {
            rows.clear();
        }
        let mut ranks = rows.iter().map(|row| row.try_get("", VECTOR_RANK));
        if ranks.all(|rank: Result<Option<i64>, _>| matches!(rank, Ok(None))) {
            comparable::<E, F, _>(plan, query, db).await?;
        }
        let missing = missing::<E, F, _>(plan, query, near, db).await?;
        Ok((rows, missing))
    }
}

fn place(row: u64) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

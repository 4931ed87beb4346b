//! Runs a ranking: its window, the steps that order it, and the page.

use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, IntoSimpleExpr, QueryResult, TryGetable};
use tracing::Instrument as _;

use super::builder::Ranking;
use super::columns::{NEAR, PLACE, RANKABLE, VECTOR_RANK};
use super::diversity::{Candidate, choose, relevance};
use super::full_text::{FullText, Matching};
use super::ranked::Ranked;
use super::statement::{COUNT, Window, counted, facets, fused};
use crate::entity::EmbeddingTrait;
use crate::search::asking::{query_all, query_one};
use crate::search::error::{SearchError, table_of};
use crate::search::explain::{Explanation, explain};
use crate::search::facets::read as read_facets;
use crate::search::freshness::Queue;
use crate::search::generation::Routing;
use crate::search::hits::Hits;
use crate::search::page::{are_few, comparable, missing, nearest};
use crate::search::plan::{Attempt, ForRanking, Plan};
use crate::search::projection::Projection;
use crate::search::refusal::Searching as _;
use crate::search::scan::SCANNED;
use crate::search::telemetry::{self, Telemetry};

impl<E: EmbeddingTrait, F: Projection<E>> Ranking<'_, E, F> {
    /// Runs the search. The best hit comes first.
    ///
    /// [`Hits::missing`] counts rows that the vectors should have proposed, not rows of the page: those that belong in
    /// the [window](Self::window), or before the end of a page beyond it, and were not found because the search was
    /// told to give up early.
    ///
    /// # Errors
    ///
    /// As [`Search::all`](crate::search::Search::all). Also a window, a `k`, a weight or a `lambda` out of range, a
    /// full-text search without text, and a reranker that fails or returns a score that is not finite.
    pub async fn all<C: ConnectionTrait>(self, db: &C) -> Result<Hits<Ranked<F::Hit>>, SearchError> {
        let mut telemetry = Telemetry::begin::<E>(self.search.plan.limit);
        let span = telemetry.span();
        let found = self.find(db, &mut telemetry).instrument(span).await;
        telemetry.ended(&found);
        found
    }

    async fn find<C: ConnectionTrait>(
        self,
        db: &C,
        telemetry: &mut Telemetry,
    ) -> Result<Hits<Ranked<F::Hit>>, SearchError> {
        let mut plan = self.window_plan()?;
        let text = self.matching()?;
        let (offset, limit) = (place(self.search.plan.offset), place(self.search.plan.limit));
        if limit == 0 {
            return Ok(Hits::default());
        }
        if plan.queue.is_some() {
            plan.queue = Some(Queue::of::<E, _>(db).await?);
        }
        let mut routing = Routing::begin::<E, _>(&self.search.query, plan.model.as_deref(), db).await?;
        let (rows, missing) = loop {
            let mut plan = routing.plan(&plan);
            let query = self.search.query.resolve::<E, _>(&mut plan, db);
            let query = telemetry.embedding(self.search.query.is_text(), query).await?;
            plan.settle_bounded::<E, _>(db).await.searching::<E>()?;
            let found = match &text {
                Some(text) => self.fused(&plan, &query, text, db).await,
                None => nearest::<E, F, _>(&plan, &query, db).await,
            };
            if !routing
                .again::<E, _, _>(&plan, &found, |(rows, _)| rows.is_empty(), db)
                .await?
            {
                break found?;
            }
        };
        let mut hits = Vec::with_capacity(rows.len());
        let mut candidates = Vec::new();
        for (row, rank) in rows.iter().zip(1..) {
            let hit = plan.read::<E, F>(row).searching::<E>()?;
            hits.push(match text {
                Some(_) => Ranked::read(row, hit).searching::<E>()?,
                None => Ranked::nearest(self.fusion.nearest(rank), rank, hit),
            });
            if plan.ranking.vectors {
                candidates.push(Candidate::read(row).searching::<E>()?);
            }
        }
        let (order, kept) = self.order(&mut hits, &candidates, telemetry).await?;
        let mut hits: Vec<_> = hits.into_iter().map(Some).collect();
        let page = order.into_iter().skip(offset).take(limit);
        let page: Hits<_> = page.filter_map(|place| hits[place].take()).collect();
        Ok(page.with_missing(missing).with_kept_order(kept))
    }

    /// The positions of `hits` in their new order, as far as the page needs them. Rows beyond the window stay behind
    /// it. Also why the reranker did not order them, if it failed and may.
    async fn order(
        &self,
        hits: &mut [Ranked<F::Hit>],
        candidates: &[Candidate],
        telemetry: &mut Telemetry,
    ) -> Result<(Vec<usize>, Option<String>), SearchError> {
        let window = Ord::min(place(self.window), hits.len());
        let mut order: Vec<usize> = (0..window).collect();
        let mut kept = None;
        if place(self.search.plan.offset) < window {
            if let Some(reranking) = &self.reranking {
                let passages: Vec<&F::Hit> = hits[..window].iter().map(|hit| &hit.hit).collect();
                match telemetry.reranking(window, reranking.scores(&passages)).await {
                    Ok(scores) => {
                        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
                        for (hit, score) in hits.iter_mut().zip(scores) {
                            hit.rerank_score = Some(score);
                        }
                    }
                    Err(error) if reranking.may_fail => kept = Some(error.to_string()),
                    Err(error) => return Err(error.into()),
                }
            }
            if let Some(lambda) = self.diversity {
                let by_score = self.text.is_some() || self.reranking.is_some() && kept.is_none();
                let relevance = relevance(by_score, &hits[..window], &candidates[..window]);
                let wanted = place(self.search.plan.reach());
                order = choose(lambda, &relevance, &candidates[..window], order, wanted);
            }
        }
        order.extend(window..hits.len());
        Ok((order, kept))
    }

    /// Runs the search for the best hit alone.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn one<C: ConnectionTrait>(mut self, db: &C) -> Result<Option<Ranked<F::Hit>>, SearchError> {
        self.search = self.search.limit(1);
        Ok(self.all(db).await?.into_iter().next())
    }

    /// Counts the hits of all pages: the rows that are near enough, and those of the window that only the full text
    /// finds. It reads the whole table, unless an index serves a filter.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn count<C: ConnectionTrait>(self, db: &C) -> Result<u64, SearchError> {
        let plan = Plan {
            limit: u64::MAX,
            ..self.window_plan()?
        };
        let Some(text) = self.matching()? else {
            let mut search = self.search;
            search.plan = plan;
            return search.count(db).await;
        };
        let mut routing = Routing::begin::<E, _>(&self.search.query, plan.model.as_deref(), db).await?;
        let all = Window {
            rows: u64::MAX,
            ..self.asked()
        };
        loop {
            let mut plan = routing.plan(&plan);
            let query = self.search.query.resolve::<E, _>(&mut plan, db).await?;
            let counted = query_one(db, &counted::<E, F>(&plan, &text, &query, &all)).await;
            let counted = counted
                .and_then(|row| row.ok_or_else(|| DbErr::RecordNotFound("the count returned no row".to_owned())))
                .and_then(|row| row.try_get::<i64>("", COUNT))
                .comparing::<E>(&query);
            if !routing
                .again::<E, _, _>(&plan, &counted, |count| *count == 0, db)
                .await?
            {
                return Ok(counted?.unsigned_abs());
            }
        }
    }

    /// Counts the hits of all pages by the values of a column or an expression, as
    /// [`Search::count_by`](crate::search::Search::count_by) does: the rows that are near enough, and those of the
    /// window that only the full text finds.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn count_by<T: TryGetable, C: ConnectionTrait>(
        self,
        by: impl IntoSimpleExpr,
        db: &C,
    ) -> Result<Vec<(T, u64)>, SearchError> {
        let plan = Plan {
            limit: u64::MAX,
            ..self.window_plan()?
        };
        let Some(text) = self.matching()? else {
            let mut search = self.search;
            search.plan = plan;
            return search.count_by(by, db).await;
        };
        let plan = Plan {
            // the column may be one of the source's
            ranking: ForRanking {
                source: true,
                ..plan.ranking
            },
            ..plan
        };
        let by = by.into_simple_expr();
        let mut routing = Routing::begin::<E, _>(&self.search.query, plan.model.as_deref(), db).await?;
        let all = Window {
            rows: u64::MAX,
            ..self.asked()
        };
        loop {
            let mut plan = routing.plan(&plan);
            let query = self.search.query.resolve::<E, _>(&mut plan, db).await?;
            let counted = query_all(db, &facets::<E, F>(&plan, &text, &query, &all, by.clone())).await;
            let counted = counted.comparing::<E>(&query);
            if !routing.again::<E, _, _>(&plan, &counted, Vec::is_empty, db).await? {
                return read_facets(&counted?).searching::<E>();
            }
        }
    }

    /// Returns PostgreSQL's plan of the statement that is sent first. Nothing is searched, but a query text is
    /// embedded.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all). A connection that takes no raw statements, such as SeaORM's `RestrictedConnection`,
    /// refuses `EXPLAIN`.
    pub async fn explain<C: ConnectionTrait>(&self, db: &C) -> Result<Explanation, SearchError> {
        let plan = self.window_plan()?;
        let text = self.matching()?;
        let routing = Routing::begin::<E, _>(&self.search.query, plan.model.as_deref(), db).await?;
        let mut plan = routing.plan(&plan);
        let query = self.search.query.resolve::<E, _>(&mut plan, db).await?;
        plan.settle::<E, _>(db).await.searching::<E>()?;
        let attempt = plan.attempts().first().copied().unwrap_or(Attempt::Exact);
        let statement = match &text {
            Some(text) => DbBackend::Postgres.build(&fused::<E, F>(&plan, text, &query, &self.asked(), attempt)),
            None => plan.statement::<E, F>(&query, attempt).build(),
        };
        explain(db, statement, &plan).await.searching::<E>()
    }

    /// The condition of the full text, and its score.
    fn matching(&self) -> Result<Option<Matching>, SearchError> {
        self.text.as_ref().map(FullText::matching::<E>).transpose()
    }

    /// The plan of the window, which has the page and all rows to choose from. Refuses options out of range.
    fn window_plan(&self) -> Result<Plan, SearchError> {
        let plan = &self.search.plan;
        plan.check::<E>()?;
        if plan.paging.is_some() {
            return Err(SearchError::Cursor {
                table: table_of::<E>(),
                reason: "a ranking has the order of its window: use `page` or `paginate`",
            });
        }
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

    /// The window: its fused rows, and how many come back.
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

    /// The fused rows, and how many more the leg of vectors should have had.
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
            telemetry::asks::<E>(attempt);
            let statement = fused::<E, F>(plan, text, query, &window, attempt);
            rows = query_all(db, &statement).await.comparing::<E>(query)?;
            let status = rows.first();
            let status = status.ok_or_else(|| DbErr::RecordNotFound("the hybrid search returned no row".to_owned()));
            let status = status.searching::<E>()?;
            let count = |name| Ok::<_, SearchError>(status.try_get::<i64>("", name).searching::<E>()?.unsigned_abs());
            near = count(NEAR)?;
            let rankable = count(RANKABLE)?;
            if attempt == Attempt::Exact || rankable >= plan.limit {
                break;
            }
            is_exhausted = match attempt {
                Attempt::Look { window } => are_few::<E, F, _>(plan, window, rankable, db).await?,
                _ => plan.is_exhausted(attempt, count(SCANNED)?),
            };
        }
        let place = rows.first().map(|row| row.try_get::<Option<i64>>("", PLACE));
        if let Some(None) = place.transpose().searching::<E>()? {
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

//! The SQL of a hybrid search: two legs that name rows and rank them, their fusion, and the rows themselves.

use sea_orm::ColumnTrait;
use sea_orm::sea_query::{
    Asterisk, Condition, Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement, UnionType, WindowStatement,
    WithClause, WithQuery,
};

use super::columns::{NEAR, PLACE, RANK, RANKABLE, SCORE, TEXT_RANK, TEXT_SCORE, VECTOR_RANK};
use super::full_text::Matching;
use super::fusion::Fusion;
use crate::entity::EmbeddingTrait;
use crate::search::facets::{VALUE as VALUE_OF_FACET, counted as by_value};
use crate::search::hit::DISTANCE;
use crate::search::plan::{Attempt, Direction, Plan};
use crate::search::projection::Projection;
use crate::search::scan::{HITS, SCANNED, Setting, cte, restored, rows_of, scanning, set, with};
use crate::search::statement::{SEQ, VALUE, best, first, identity, key, seq, tie, unindexed, up_to};

/// Whether a row is beyond the window, and follows the rows within.
const BEYOND: &str = "beyond";
/// The legs and their fusion: common table expressions, named like those of [`scan`](crate::search::scan) for the same
/// reasons.
const NEAREST: &str = "pgai_sea_nearest";
const MATCHING: &str = "pgai_sea_matching";
const FUSED: &str = "pgai_sea_fused";

/// The window of a hybrid search. The limit of its [`Plan`] is the number of rows that the leg of vectors returns.
pub(super) struct Window {
    /// How many rows of each leg are fused.
    pub(super) ranked: u64,
    /// How many rows come back.
    pub(super) rows: u64,
    pub(super) fusion: Fusion,
}

/// The fused rows. Each has the counts of the search too; without a hit there is one row with the counts alone.
pub(super) fn fused<E: EmbeddingTrait, F: Projection<E>>(
    plan: &Plan,
    text: &Matching,
    query: &Expr,
    asked: &Window,
    attempt: Attempt,
) -> WithQuery {
    let (legs, is_scanning) = legs::<E, F>(plan, text, query, asked, attempt);
    let mut page = plan.hits::<E, F>(query, Expr::col((FUSED, outward(DISTANCE))), false);
    plan.around::<E>(&mut page, None);
    let ids = E::identity().into_iter().enumerate();
    page.inner_join(
        FUSED,
        ids.fold(Condition::all(), |on, (i, column)| {
            on.add(column.into_expr().equals((FUSED, outward(&identity(i)))))
        }),
    );
    for name in [SCORE, VECTOR_RANK, TEXT_RANK, TEXT_SCORE, PLACE] {
        page.expr_as(Expr::col((FUSED, outward(name))), name);
    }
    if !plan.joins.is_empty() {
        // a join may have several rows for a hit, and any of them will do
        page.distinct_on([(FUSED, outward(PLACE))])
            .order_by((FUSED, outward(PLACE)), Order::Asc);
    }

    let near = near_enough(
        plan,
        Query::select().expr(Func::count(Expr::col(Asterisk))).from(NEAREST),
    );
    let status = Query::select()
        .expr_as(rows_of(HITS), SCANNED)
        .expr_as(rows_of(NEAREST), RANKABLE)
        .expr_as(Expr::from(near), NEAR)
        .take();
    let mut all = Query::select();
    all.column(("status", Asterisk))
        .column(("page", Asterisk))
        .from_subquery(status, "status")
        .join_subquery(JoinType::LeftJoin, page, "page", Condition::all());
    if is_scanning {
        all.and_where(restored());
    }
    all.order_by(("page", PLACE), Order::Asc);
    with(legs, all)
}

/// The number of fused rows.
pub(in crate::search) const COUNT: &str = "count";

/// Counts the rows that both legs propose, without an index on vectors.
pub(super) fn counted<E: EmbeddingTrait, F: Projection<E>>(
    plan: &Plan,
    text: &Matching,
    query: &Expr,
    asked: &Window,
) -> WithQuery {
    let (legs, _) = legs::<E, F>(plan, text, query, asked, Attempt::Exact);
    let count = Query::select().expr_as(rows_of(FUSED), COUNT).take();
    with(legs, count)
}

/// Counts the same rows by the values of `by`, with `value` and `count` for the names of the columns.
pub(super) fn facets<E: EmbeddingTrait, F: Projection<E>>(
    plan: &Plan,
    text: &Matching,
    query: &Expr,
    asked: &Window,
    by: Expr,
) -> WithQuery {
    let mut plan = plan.clone();
    plan.ties.push((by, Order::Asc.into()));
    let by = tie(plan.ties.len() - 1);
    let (legs, _) = legs::<E, F>(&plan, text, query, asked, Attempt::Exact);
    let mut facets = Query::select();
    facets
        .expr_as(Expr::col((FUSED, outward(&by))), VALUE_OF_FACET)
        .from(FUSED);
    with(legs, by_value(facets))
}

/// The legs and their fusion, and whether the scan has settings that have to be undone.
fn legs<E: EmbeddingTrait, F: Projection<E>>(
    plan: &Plan,
    text: &Matching,
    query: &Expr,
    asked: &Window,
    attempt: Attempt,
) -> (WithClause, bool) {
    let columns = LegColumns::of::<E>(plan);
    let (hits, settings) = scanned::<E, F>(plan, query, attempt, &columns);
    let is_scanning = !settings.is_empty();
    let mut legs = if is_scanning {
        scanning(hits, &settings)
    } else {
        WithClause::from(cte(HITS, hits))
    };

    let mut nearest = Query::select();
    nearest
        .column((HITS, Asterisk))
        .from(HITS)
        .and_where(Expr::col(DISTANCE).ne(f64::NAN));
    let mut matching = rows::<E, F>(plan, query);
    matching
        .expr_as(text.score.clone(), SCORE)
        .and_where(text.matches.clone());
    if plan.may_have_no_distance() {
        // a row without a distance is no hit, whatever its text is
        matching.and_where(plan.distance::<E>(query).ne(f64::NAN));
    }
    if plan.is_deduplicated() {
        nearest = best::<E>(nearest, &columns.hit, DISTANCE, Order::Asc, plan);
        let all = Query::select()
            .column(("texts", Asterisk))
            .from_subquery(matching, "texts")
            .take();
        matching = best::<E>(all, &columns.hit, SCORE, Order::Desc, plan);
    }
    let nearest = columns.ranked(nearest, [(DISTANCE, Order::Asc)], RANK, plan.limit);
    let mut matching = columns.ranked(matching, [(SCORE, Order::Desc)], RANK, asked.ranked);
    if let Some(min_score) = text.min_score {
        matching.and_where(Expr::col(SCORE).gte(min_score));
    }
    legs.cte(cte(NEAREST, nearest))
        .cte(cte(MATCHING, matching))
        .cte(cte(FUSED, columns.fused(plan, asked)));
    (legs, is_scanning)
}

/// The name of a column of the fused rows. A filter may name columns of the user's tables without their table, so it
/// has a prefix.
fn outward(name: &str) -> String {
    format!("pgai_sea_{name}")
}

/// The rows of the leg of vectors that are near enough.
fn near_enough(plan: &Plan, nearest: &mut SelectStatement) -> SelectStatement {
    if let Some(max) = plan.farthest() {
        nearest.and_where(Expr::col((NEAREST, DISTANCE)).lte(max));
    }
    nearest.take()
}

/// The names of the columns that identify and order the rows of a leg.
struct LegColumns {
    /// These identify a hit: a row of the searched table, or its source.
    hit: Vec<String>,
    /// These identify a row of the searched table.
    identity: Vec<String>,
    /// These order rows that are equal otherwise: the caller's own, the source's key, the place in its text.
    ties: Vec<(String, Direction)>,
    /// How many of them are the caller's own.
    own: usize,
}

impl LegColumns {
    fn of<E: EmbeddingTrait>(plan: &Plan) -> Self {
        let identity: Vec<_> = (0..E::identity().len()).map(identity).collect();
        let keys: Vec<_> = (0..E::key_columns().len()).map(key).collect();
        let own = plan
            .ties
            .iter()
            .enumerate()
            .map(|(i, (_, direction))| (tie(i), direction.clone()));
        let place = keys.iter().cloned().chain([SEQ.to_owned()]);
        Self {
            ties: own
                .chain(place.chain(identity.clone()).map(|name| (name, Order::Asc.into())))
                .collect(),
            hit: plan.one_hit::<E>(),
            identity,
            own: plan.ties.len(),
        }
    }

    /// The first `limit` rows of `from` in this order, with their ranks.
    fn ranked<const N: usize>(
        &self,
        from: SelectStatement,
        by: [(&'static str, Order); N],
        rank: &'static str,
        limit: u64,
    ) -> SelectStatement {
        let by = by.into_iter().map(|(name, order)| (name.to_owned(), order.into()));
        let mut over = WindowStatement::new();
        let mut leg = Query::select();
        for (name, direction) in by.chain(self.ties.iter().cloned()) {
            direction.apply(&mut over, name.clone());
            direction.apply(&mut leg, name);
        }
        leg.column(Asterisk)
            .from_subquery(from, "leg")
            .expr_window_as(Func::cust("row_number"), over, rank)
            .limit(up_to(limit))
            .take()
    }

    /// The rows of both legs, joined where both have a row. Rows of the leg of vectors follow that are beyond the
    /// window and that the full text does not match.
    fn fused(&self, plan: &Plan, asked: &Window) -> SelectStatement {
        let same = |nearest: &'static str| {
            self.hit.iter().fold(Condition::all(), |same, name| {
                same.add(Expr::col((nearest, name.clone())).equals((MATCHING, name.clone())))
            })
        };
        let window = near_enough(plan, Query::select().column(Asterisk).from(NEAREST))
            .and_where(Expr::col((NEAREST, RANK)).lte(up_to(asked.ranked)))
            .take();
        let mut both = self.carried(|name| {
            let either = ["near", MATCHING].map(|leg| Expr::col((leg, name.to_owned())));
            Func::coalesce(either).into()
        });
        both.expr_as(Expr::col(("near", RANK)), VECTOR_RANK)
            .expr_as(Expr::col((MATCHING, RANK)), TEXT_RANK)
            .expr_as(Expr::col((MATCHING, SCORE)), TEXT_SCORE)
            .expr_as(asked.fusion.score("near", MATCHING), SCORE)
            .expr_as(Expr::cust("FALSE"), BEYOND)
            .from_subquery(window, "near")
            .join(JoinType::FullOuterJoin, MATCHING, same("near"));
        if plan.limit > asked.ranked {
            let mut beyond = self.carried(|name| Expr::col((NEAREST, name.to_owned())));
            let matching = Query::select()
                .expr(Expr::cust("1"))
                .from(MATCHING)
                .cond_where(same(NEAREST))
                .take();
            beyond
                .column((NEAREST, RANK))
                .expr(Expr::cust("NULL"))
                .expr(Expr::cust("NULL"))
                .expr(asked.fusion.nearest_in(NEAREST))
                .expr(Expr::cust("TRUE"))
                .from(NEAREST)
                .and_where(Expr::col((NEAREST, RANK)).gt(up_to(asked.ranked)))
                .and_where(Expr::exists(matching).not());
            both.union(UnionType::All, near_enough(plan, &mut beyond));
        }

        let order = [(BEYOND, Order::Asc), (SCORE, Order::Desc), (DISTANCE, Order::Asc)];
        let ranked = self.ranked(both, order, PLACE, asked.rows);
        let mut named = Query::select();
        let columns = self.identity.iter().cloned().chain((0..self.own).map(tie));
        let scores = [DISTANCE, SCORE, VECTOR_RANK, TEXT_RANK, TEXT_SCORE, PLACE].map(str::to_owned);
        for name in columns.chain(scores) {
            named.expr_as(Expr::col(("ranked", name.clone())), outward(&name));
        }
        named.from_subquery(ranked, "ranked").take()
    }

    /// The columns that a leg hands to the fusion.
    fn carried(&self, column: impl Fn(&str) -> Expr) -> SelectStatement {
        let mut select = Query::select();
        let names = self.ties.iter().map(|(name, _)| name.as_str());
        for name in names.chain([DISTANCE]) {
            select.expr_as(column(name), name.to_owned());
        }
        select
    }
}

/// All rows that can be hits, with the columns that identify and order them.
fn rows<E: EmbeddingTrait, F: Projection<E>>(plan: &Plan, query: &Expr) -> SelectStatement {
    let mut rows = unfiltered::<E, F>(plan, query);
    rows.cond_where(plan.conditions::<E>());
    rows
}

/// The same rows without conditions.
fn unfiltered<E: EmbeddingTrait, F: Projection<E>>(plan: &Plan, query: &Expr) -> SelectStatement {
    let mut rows = Query::select();
    plan.tables::<E, F>(&mut rows);
    for (i, column) in E::identity().into_iter().enumerate() {
        rows.expr_as(column.into_expr(), identity(i));
    }
    for (i, column) in E::key_columns().into_iter().enumerate() {
        rows.expr_as(column.into_expr(), key(i));
    }
    rows.expr_as(seq::<E>(), SEQ);
    if let Some(value) = plan.value() {
        rows.expr_as(value, VALUE);
    }
    for (i, (expr, _)) in plan.ties.iter().enumerate() {
        rows.expr_as(expr.clone(), tie(i));
    }
    rows.expr_as(plan.distance::<E>(query), DISTANCE);
    rows
}

/// The rows of the leg of vectors, and the settings of its scan.
fn scanned<E: EmbeddingTrait, F: Projection<E>>(
    plan: &Plan,
    query: &Expr,
    attempt: Attempt,
    columns: &LegColumns,
) -> (SelectStatement, Vec<Setting>) {
    let Some((window, settings)) = plan.scanning(attempt) else {
        let mut hits = rows::<E, F>(plan, query);
        if !plan.is_deduplicated() {
            hits.order_by_expr(unindexed(plan.distance::<E>(query)), Order::Asc);
            for (name, direction) in &columns.ties {
                direction.apply(&mut hits, name.clone());
            }
            hits.limit(up_to(plan.limit));
        }
        return (hits, Vec::new());
    };
    let mut hits = unfiltered::<E, F>(plan, query);
    let mut conditions = plan.conditions::<E>().add_option(plan.has_index::<E>());
    if !settings.is_empty() {
        conditions = conditions.add(set());
    }
    first(&mut hits, conditions, plan.scanned::<E>(query), window, 0, false);
    (hits, settings)
}

//! The SQL of a hybrid search: two legs that name rows and rank them, their fusion, and the rows themselves.

use sea_orm::ColumnTrait;
use sea_orm::sea_query::{
    Asterisk, Condition, Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement, UnionType, WindowStatement,
    WithClause, WithQuery,
};

use super::fusion::Fusion;
use crate::entity::EmbeddingTrait;
use crate::search::found::Found;
use crate::search::hit::DISTANCE;
use crate::search::plan::{Attempt, Direction, Plan};
use crate::search::scan::{HITS, SCANNED, Setting, cte, restored, rows_of, scanning, set, with};
use crate::search::statement::{SEQ, best, first, identity, key, seq, tie, unindexed, up_to};

/// Names of columns.
pub(super) const RANK: &str = "rank";
pub(super) const SCORE: &str = "score";
pub(super) const VECTOR_RANK: &str = "vector_rank";
pub(super) const TEXT_RANK: &str = "text_rank";
pub(super) const TEXT_SCORE: &str = "text_score";
/// Where a row is among all, from 1; none in the row that says how the search went where nothing was found.
pub(super) const PLACE: &str = "place";
/// Whether a row follows those that were ranked.
const BEYOND: &str = "beyond";
/// How many rows the leg of vectors could rank, and how many of them are near enough.
pub(super) const RANKABLE: &str = "rankable";
pub(super) const NEAR: &str = "near";

/// The legs, and what they come to: common table expressions, called like those of [`scan`](crate::search::scan) for its reasons.
const NEAREST: &str = "pgai_sea_nearest";
const MATCHING: &str = "pgai_sea_matching";
const FUSED: &str = "pgai_sea_fused";

/// The condition that a text matches, and how well.
pub(super) struct Matching {
    pub(super) matches: Expr,
    pub(super) score: Expr,
}

/// What is asked for beside the [`Plan`], whose limit is what the leg of vectors comes up with.
pub(super) struct Window {
    /// The rows of each leg that are fused.
    pub(super) ranked: u64,
    /// The rows that come back.
    pub(super) rows: u64,
    pub(super) fusion: Fusion,
}

/// The rows that come back, with how the search went in each of them, or alone where there are none.
pub(super) fn fused<E: EmbeddingTrait, F: Found<E>>(
    plan: &Plan,
    text: &Matching,
    query: &Expr,
    asked: &Window,
    attempt: Attempt,
) -> WithQuery {
    let names = Names::of::<E>(plan);
    let (hits, settings) = scanned::<E, F>(plan, query, attempt, &names);
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
        // what is at no distance is no hit, whatever it says
        matching.and_where(plan.distance::<E>(query).ne(f64::NAN));
    }
    if plan.is_deduplicated() {
        nearest = best(nearest, &names.hit, DISTANCE, Order::Asc, plan);
        let all = Query::select()
            .column(("texts", Asterisk))
            .from_subquery(matching, "texts")
            .take();
        matching = best(all, &names.hit, SCORE, Order::Desc, plan);
    }
    let nearest = names.ranked(nearest, [(DISTANCE, Order::Asc)], RANK, plan.limit);
    let matching = names.ranked(matching, [(SCORE, Order::Desc)], RANK, asked.ranked);
    legs.cte(cte(NEAREST, nearest))
        .cte(cte(MATCHING, matching))
        .cte(cte(FUSED, names.fused(plan, asked)));

    let mut page = plan.hits::<E, F>(query, Expr::col((FUSED, outward(DISTANCE))), false);
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
        // which of the rows that a join has for it stands for a hit makes no difference
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

/// What columns of the fused rows are called beside the users' tables, whose columns a filter may name without their table.
fn outward(name: &str) -> String {
    format!("pgai_sea_{name}")
}

/// Those near enough to be proposed by the leg of vectors.
fn near_enough(plan: &Plan, nearest: &mut SelectStatement) -> SelectStatement {
    if let Some(max) = plan.farthest() {
        nearest.and_where(Expr::col((NEAREST, DISTANCE)).lte(max));
    }
    nearest.take()
}

/// What the columns are called by which rows are told apart and put in order.
struct Names {
    /// What tells hits apart: rows of the searched table, or the sources that they belong to.
    hit: Vec<String>,
    /// What tells rows of the searched table apart.
    identity: Vec<String>,
    /// What decides between equals: the caller's own, the source's key, the place in its text.
    ties: Vec<(String, Direction)>,
}

impl Names {
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
            hit: if plan.best_per_source { keys } else { identity.clone() },
            identity,
        }
    }

    /// The first `limit` of `from` in this order, with their ranks.
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

    /// The rows of both legs, those that both have as one; then those that are too far away to be ranked, and whose words do not
    /// speak for them either.
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
        let columns = self.identity.iter().map(String::as_str);
        for name in columns.chain([DISTANCE, SCORE, VECTOR_RANK, TEXT_RANK, TEXT_SCORE, PLACE]) {
            named.expr_as(Expr::col(("ranked", name.to_owned())), outward(name));
        }
        named.from_subquery(ranked, "ranked").take()
    }

    /// What goes from the legs into their fusion.
    fn carried(&self, column: impl Fn(&str) -> Expr) -> SelectStatement {
        let mut select = Query::select();
        let names = self.ties.iter().map(|(name, _)| name.as_str());
        for name in names.chain([DISTANCE]) {
            select.expr_as(column(name), name.to_owned());
        }
        select
    }
}

/// All rows that can be hits, with what they are told apart and put in order by.
fn rows<E: EmbeddingTrait, F: Found<E>>(plan: &Plan, query: &Expr) -> SelectStatement {
    let mut rows = unfiltered::<E, F>(plan, query);
    rows.cond_where(plan.conditions::<E>());
    rows
}

/// The same, before any conditions.
fn unfiltered<E: EmbeddingTrait, F: Found<E>>(plan: &Plan, query: &Expr) -> SelectStatement {
    let mut rows = Query::select();
    plan.tables::<E, F>(&mut rows);
    for (i, column) in E::identity().into_iter().enumerate() {
        rows.expr_as(column.into_expr(), identity(i));
    }
    for (i, column) in E::key_columns().into_iter().enumerate() {
        rows.expr_as(column.into_expr(), key(i));
    }
    rows.expr_as(seq::<E>(), SEQ);
    for (i, (expr, _)) in plan.ties.iter().enumerate() {
        rows.expr_as(expr.clone(), tie(i));
    }
    rows.expr_as(plan.distance::<E>(query), DISTANCE);
    rows
}

/// The rows that the leg of vectors ranks, and the settings that find them.
fn scanned<E: EmbeddingTrait, F: Found<E>>(
    plan: &Plan,
    query: &Expr,
    attempt: Attempt,
    names: &Names,
) -> (SelectStatement, Vec<Setting>) {
    match attempt {
        Attempt::Scan { window, insists } => {
            let mut hits = unfiltered::<E, F>(plan, query);
            let settings = plan.scan.settings(window, plan.is_filtered() || insists);
            let mut conditions = plan.conditions::<E>();
            if !settings.is_empty() {
                conditions = conditions.add(set());
            }
            first(&mut hits, conditions, plan.scanned::<E>(query), window, 0);
            (hits, settings)
        }
        Attempt::Exact => {
            let mut hits = rows::<E, F>(plan, query);
            if !plan.is_deduplicated() {
                hits.order_by_expr(unindexed(plan.distance::<E>(query)), Order::Asc);
                for (name, direction) in &names.ties {
                    direction.apply(&mut hits, name.clone());
                }
                hits.limit(up_to(plan.limit));
            }
            (hits, Vec::new())
        }
    }
}

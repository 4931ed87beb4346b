//! The SQL of a hybrid search: two legs that name rows and rank them, their fusion, and the rows themselves.

use sea_orm::ColumnTrait;
use sea_orm::sea_query::{
    Asterisk, Condition, Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement, WindowStatement, WithClause,
    WithQuery,
};

use super::fusion::Fusion;
use crate::search::found::{Found, SearchableTrait};
use crate::search::hit::DISTANCE;
use crate::search::plan::{Attempt, Plan};
use crate::search::scan::{HITS, Setting, cte, restored, scanning};
use crate::search::statement::{SEQ, best, key, seq, tie, unindexed, up_to};

/// Names of columns.
pub(super) const RANK: &str = "rank";
pub(super) const SCORE: &str = "score";
pub(super) const VECTOR_RANK: &str = "vector_rank";
pub(super) const TEXT_RANK: &str = "text_rank";
pub(super) const TEXT_SCORE: &str = "text_score";
/// How many rows the scan of an index came up with.
pub(super) const SCANNED: &str = "scanned";

/// The legs, and what they come to.
const NEAREST: &str = "nearest";
const MATCHING: &str = "matching";
const FUSED: &str = "fused";

/// The rows' identities, under which the legs are joined with the rows again.
fn identity(i: usize) -> String {
    format!("i_{i}")
}

/// The condition that a text matches, and how well.
pub(super) struct Matching {
    pub(super) matches: Expr,
    pub(super) score: Expr,
}

/// What is asked for beside the [`Plan`], whose limit is the rows of each leg.
pub(super) struct Window {
    /// The rows that come back.
    pub(super) rows: u64,
    pub(super) fusion: Fusion,
}

pub(super) fn fused<E: SearchableTrait, F: Found<E>>(
    plan: &Plan,
    text: &Matching,
    query: &Expr,
    asked: &Window,
    attempt: Attempt,
) -> WithQuery {
    let keys = keys::<E>(plan).len();
    let (hits, settings) = scanned::<E, F>(plan, query, attempt);
    let is_scanning = !settings.is_empty();
    let mut with = if is_scanning {
        scanning(hits, settings)
    } else {
        WithClause::new().cte(cte(HITS, hits)).to_owned()
    };

    // a leg in the order of its ranks
    let ranked = |from: SelectStatement, by: &'static str, order: Order| {
        let mut over = WindowStatement::new();
        over.order_by(by, order.clone());
        let mut leg = Query::select();
        leg.column(Asterisk)
            .from_subquery(from, "leg")
            .order_by(by, order)
            .limit(up_to(plan.limit));
        for i in 0..keys {
            over.order_by(key(i), Order::Asc);
            leg.order_by(key(i), Order::Asc);
        }
        leg.expr_window_as(Func::cust("row_number"), over, RANK).take()
    };
    let mut nearest = Query::select();
    nearest
        .column((HITS, Asterisk))
        .from(HITS)
        .and_where(Expr::col(DISTANCE).ne(f64::NAN));
    if let Some(max) = plan.farthest() {
        nearest.and_where(Expr::col(DISTANCE).lte(max));
    }
    let mut matching = rows::<E, F>(plan);
    matching
        .expr_as(text.score.clone(), SCORE)
        .and_where(text.matches.clone());
    if plan.best_per_source {
        nearest = best(nearest, keys, DISTANCE, Order::Asc, plan);
        let all = Query::select()
            .column((HITS, Asterisk))
            .from_subquery(matching, HITS)
            .take();
        matching = best(all, keys, SCORE, Order::Desc, plan);
    }
    with.cte(cte(NEAREST, ranked(nearest, DISTANCE, Order::Asc)))
        .cte(cte(MATCHING, ranked(matching, SCORE, Order::Desc)))
        .cte(cte(FUSED, joined::<E>(keys, asked.fusion)));

    let mut page = plan.hits::<E, F>(query, plan.distance::<E>(query), false);
    let ids = E::identity().into_iter().enumerate();
    page.inner_join(
        FUSED,
        ids.fold(Condition::all(), |on, (i, column)| {
            on.add(column.into_expr().equals((FUSED, identity(i))))
        }),
    );
    for name in [SCORE, VECTOR_RANK, TEXT_RANK, TEXT_SCORE] {
        page.expr_as(Expr::col((FUSED, name)), name);
    }
    let found = Query::select().expr(Func::count(Expr::col(Asterisk))).from(HITS).take();
    page.expr_as(Expr::from(found), SCANNED);
    if is_scanning {
        page.and_where(restored());
    }
    page.order_by((FUSED, SCORE), Order::Desc)
        .order_by(DISTANCE, Order::Asc);
    plan.tied(&mut page);
    for i in 0..E::identity().len() {
        page.order_by((FUSED, identity(i)), Order::Asc);
    }
    page.limit(up_to(asked.rows)).take().with(with)
}

/// What counts as one hit: a row of the searched table, or all rows of one source.
fn keys<E: SearchableTrait>(plan: &Plan) -> Vec<E::Column> {
    if plan.best_per_source {
        E::source_key()
    } else {
        E::identity()
    }
}

/// All rows that can be hits, with what they are told apart by.
fn rows<E: SearchableTrait, F: Found<E>>(plan: &Plan) -> SelectStatement {
    let mut rows = Query::select();
    plan.source::<E, F>(&mut rows);
    for (i, column) in E::identity().into_iter().enumerate() {
        rows.expr_as(column.into_expr(), identity(i));
    }
    for (i, column) in keys::<E>(plan).into_iter().enumerate() {
        rows.expr_as(column.into_expr(), key(i));
    }
    rows.expr_as(seq::<E>(), SEQ);
    for (i, (expr, _)) in plan.ties.iter().enumerate() {
        rows.expr_as(expr.clone(), tie(i));
    }
    rows
}

/// The rows that the leg of vectors ranks, and the settings that find them.
fn scanned<E: SearchableTrait, F: Found<E>>(
    plan: &Plan,
    query: &Expr,
    attempt: Attempt,
) -> (SelectStatement, Vec<Setting>) {
    let mut hits = rows::<E, F>(plan);
    let distance = plan.distance::<E>(query);
    hits.expr_as(distance.clone(), DISTANCE);
    match attempt {
        Attempt::Scan { window, insists } => {
            hits.order_by_expr(plan.scanned::<E>(query), Order::Asc)
                .limit(up_to(window));
            (hits, plan.scan.settings(window, plan.is_filtered() || insists))
        }
        Attempt::Exact => {
            if !plan.best_per_source {
                hits.order_by_expr(unindexed(distance), Order::Asc)
                    .limit(up_to(plan.limit));
            }
            (hits, Vec::new())
        }
    }
}

/// The rows of both legs, those that both have as one.
fn joined<E: SearchableTrait>(keys: usize, fusion: Fusion) -> SelectStatement {
    let mut fused = Query::select();
    for i in 0..E::identity().len() {
        let either = [NEAREST, MATCHING].map(|leg| Expr::col((leg, identity(i))));
        fused.expr_as(Func::coalesce(either), identity(i));
    }
    let same = (0..keys).fold(Condition::all(), |same, i| {
        same.add(Expr::col((NEAREST, key(i))).equals((MATCHING, key(i))))
    });
    fused
        .expr_as(Expr::col((NEAREST, RANK)), VECTOR_RANK)
        .expr_as(Expr::col((MATCHING, RANK)), TEXT_RANK)
        .expr_as(Expr::col((MATCHING, SCORE)), TEXT_SCORE)
        .expr_as(fusion.score(NEAREST, MATCHING), SCORE)
        .from(NEAREST)
        .join(JoinType::FullOuterJoin, MATCHING, same)
        .take()
}

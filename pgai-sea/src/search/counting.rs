//! The SQL that counts the rows of a search, and that asks whether there are any.

use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Func, Query, SelectStatement, WithClause, WithQuery};

use super::plan::{BestPer, Plan};
use super::projection::Projection;
use super::scan::{HITS, cte, with};
use super::statement::{VALUE, key, up_to};
use crate::entity::EmbeddingTrait;

/// The column of [`Plan::count`].
pub(super) const COUNTED: &str = "matching";
/// The columns of [`Plan::probe`]: whether there are rows, whether the query is not NULL, whether it has a distance.
pub(super) const PROBE: [&str; 3] = ["rows", "present", "comparable"];
/// The common table expressions of [`Plan::shares`]: the rows that pass the filter, and all.
pub(super) const PASSING: &str = "passing";
pub(super) const ALL: &str = "all_rows";

impl Plan {
    /// Counts the rows that can be hits, up to `limit`.
    pub(super) fn count<E: EmbeddingTrait, F: Projection<E>>(
        &self,
        query: &Expr,
        limit: Option<u64>,
    ) -> SelectStatement {
        let mut matching = self.matching::<E, F>(query);
        if let Some(limit) = limit {
            matching.limit(up_to(limit));
        }
        Query::select()
            .expr_as(Func::count(Expr::col(Asterisk)), COUNTED)
            .from_subquery(matching, HITS)
            .take()
    }

    /// One row for each hit of all pages, from the cursor on.
    pub(super) fn matching<E: EmbeddingTrait, F: Projection<E>>(&self, query: &Expr) -> SelectStatement {
        let mut matching = Query::select();
        self.source::<E, F>(&mut matching);
        if self.is_deduplicated() {
            matching.distinct();
            let columns = match self.best_per {
                Some(BestPer::Source) => E::key_columns(),
                Some(BestPer::Value(_)) => Vec::new(),
                None => E::identity(),
            };
            for (i, column) in columns.into_iter().enumerate() {
                matching.expr_as(column.into_expr(), key(i));
            }
            if let Some(value) = self.value() {
                matching.expr_as(value, VALUE);
            }
        } else {
            matching.expr(Expr::cust("1"));
        }
        // PostgreSQL sorts NaN above all numbers
        matching.and_where(match self.farthest() {
            Some(max) if max < f64::INFINITY => self.distance::<E>(query).lte(max),
            _ => self.distance::<E>(query).ne(f64::NAN),
        });
        matching.and_where_option(self.behind::<E>(query));
        matching
    }

    /// For `EXPLAIN`, which says how many rows PostgreSQL expects in each of its common table expressions.
    pub(super) fn shares<E: EmbeddingTrait, F: Projection<E>>(&self) -> WithQuery {
        let one = || Query::select().expr(Expr::cust("1")).take();
        let (mut passing, mut all) = (one(), one());
        self.source::<E, F>(&mut passing);
        all.from(self.store::<E>());
        let mut expressions = WithClause::new();
        expressions.cte(cte(PASSING, passing)).cte(cte(ALL, all));
        with(expressions, one().from(PASSING).from(ALL).take())
    }

    /// Asks whether the searched tables have rows, whether the query is not NULL for one of them, and whether it has a
    /// distance to itself for one of them. It leaves out the filters: when they leave no row, that says nothing about
    /// the query.
    pub(super) fn probe<E: EmbeddingTrait, F: Projection<E>>(&self, query: &Expr) -> SelectStatement {
        let unfiltered = Self {
            metric: self.metric,
            joins: self.joins.clone(),
            operand: self.operand,
            asked: self.asked.clone(),
            ..Self::default()
        };
        let itself = self.metric.between(query.clone(), query.clone());
        let conditions = [
            (PROBE[0], None),
            (PROBE[1], Some(itself.clone().is_not_null())),
            (PROBE[2], Some(itself.ne(f64::NAN))),
        ];
        let mut probe = Query::select();
        for (name, condition) in conditions {
            let mut rows = Query::select();
            rows.expr(Expr::cust("1"));
            unfiltered.source::<E, F>(&mut rows);
            rows.and_where_option(condition);
            probe.expr_as(Expr::exists(rows), name);
        }
        probe
    }
}

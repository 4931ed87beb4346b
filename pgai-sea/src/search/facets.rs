//! How many hits there are of each kind.

use sea_orm::sea_query::{Asterisk, Expr, Func, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, IntoSimpleExpr, QueryResult, TryGetable};

use super::asking::query_all;
use super::builder::Search;
use super::error::SearchError;
use super::generation::Routing;
use super::plan::Plan;
use super::projection::Projection;
use super::refusal::Searching as _;
use crate::entity::EmbeddingTrait;

pub(super) const VALUE: &str = "value";
const COUNT: &str = "count";

impl<E: EmbeddingTrait, F: Projection<E>> Search<'_, E, F> {
    /// Counts the hits of all pages by the values of a column or an expression: facets, under the search's filters and
    /// its maximal distance. The most frequent value comes first; a value may be `Option`.
    ///
    /// ```no_run
    /// # mod blog_post { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/blog_post.rs")); }
    /// # use pgai_sea::prelude::*;
    /// # async fn f(db: &sea_orm::DatabaseConnection, query: Vec<f32>) -> Result<(), SearchError> {
    /// let search = blog_post::Entity::search(query).max_distance(0.6);
    /// let titles: Vec<(String, u64)> = search.clone().count_by(blog_post::Column::Title, db).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`count`](Self::count).
    pub async fn count_by<T: TryGetable, C: ConnectionTrait>(
        self,
        by: impl IntoSimpleExpr,
        db: &C,
    ) -> Result<Vec<(T, u64)>, SearchError> {
        self.plan.check::<E>()?;
        let by = by.into_simple_expr();
        let mut routing = Routing::begin::<E, _>(&self.query, self.plan.model.as_deref(), db).await?;
        let rows = loop {
            let mut plan = routing.plan(&self.plan);
            let query = self.query.resolve::<E, _>(&mut plan, db).await?;
            let counted = query_all(db, &facets::<E, F>(&plan, &query, by.clone())).await;
            let counted = counted.comparing::<E>(&query);
            if !routing.again::<E, _, _>(&plan, &counted, Vec::is_empty, db).await? {
                break counted?;
            }
        };
        read(&rows).searching::<E>()
    }
}

/// The facets that [`counted`] returned.
pub(super) fn read<T: TryGetable>(rows: &[QueryResult]) -> Result<Vec<(T, u64)>, DbErr> {
    let facet = |row: &QueryResult| {
        let count: i64 = row.try_get("", COUNT)?;
        Ok((row.try_get("", VALUE)?, count.unsigned_abs()))
    };
    rows.iter().map(facet).collect()
}

fn facets<E: EmbeddingTrait, F: Projection<E>>(plan: &Plan, query: &Expr, by: Expr) -> SelectStatement {
    // the column may be one of the source's
    let plan = Plan {
        paging: None,
        ranking: super::plan::ForRanking {
            source: true,
            ..plan.ranking
        },
        ..plan.clone()
    };
    let mut hits = plan.matching::<E, F>(query);
    hits.expr_as(by, VALUE);
    counted(hits)
}

/// Counts rows by their column [`VALUE`].
pub(super) fn counted(rows: SelectStatement) -> SelectStatement {
    Query::select()
        .column(VALUE)
        .expr_as(Func::count(Expr::col(Asterisk)), COUNT)
        .from_subquery(rows, "hits")
        .group_by_col(VALUE)
        .order_by(COUNT, Order::Desc)
        .order_by(VALUE, Order::Asc)
        .take()
}

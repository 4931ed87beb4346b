//! pgvector's distances as SeaORM expressions.

use sea_orm::ColumnTrait;
use sea_orm::prelude::PgVector;
use sea_orm::sea_query::{BinOper, Expr, ExprTrait, FunctionCall, SelectStatement, Value};

/// A distance between two vectors: pgvector's operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// One minus the cosine of the angle, 0 to 2: `<=>`. What most embedding models are made for.
    #[default]
    Cosine,
    /// Euclidean distance: `<->`.
    L2,
    /// The inner product, negated so that smaller is nearer: `<#>`.
    InnerProduct,
    /// Taxicab distance: `<+>`.
    L1,
}

impl Metric {
    /// pgvector's operator.
    #[must_use]
    pub fn operator(self) -> &'static str {
        match self {
            Self::Cosine => "<=>",
            Self::L2 => "<->",
            Self::InnerProduct => "<#>",
            Self::L1 => "<+>",
        }
    }

    pub(crate) fn between(self, left: Expr, right: Expr) -> Expr {
        left.binary(BinOper::Custom(self.operator()), right)
    }
}

/// One side of a distance: numbers, whose length is known, or an SQL expression.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum VectorExpr {
    /// Numbers. They are bound, never formatted.
    Vector(Vec<f32>),
    /// A column, a function call, anything that PostgreSQL evaluates to a vector.
    Expr(Expr),
}

impl From<VectorExpr> for Expr {
    fn from(operand: VectorExpr) -> Self {
        match operand {
            VectorExpr::Vector(vector) => Self::val(PgVector::from(vector)),
            VectorExpr::Expr(expr) => expr,
        }
    }
}

/// What can stand on either side of a distance: `Vec<f32>`, a slice or array of `f32`, [`PgVector`], a column, an expression, an
/// [`ai`](super::ai) function, a subquery.
///
/// `Kind` only tells the implementations apart; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a vector",
    note = "a vector is a Vec<f32>, &[f32], [f32; N], PgVector, a column, an expression or a function of pgai_sea::ai"
)]
pub trait IntoVector<Kind> {
    /// The operand.
    fn into_vector(self) -> VectorExpr;
}

/// Kinds of [`IntoVector`]: without them a column, which is any type with `ColumnTrait`, could not stand beside the others.
pub mod kind {
    /// Numbers.
    #[derive(Debug)]
    pub enum Numbers {}
    /// A SeaORM column.
    #[derive(Debug)]
    pub enum Column {}
    /// An SQL expression.
    #[derive(Debug)]
    pub enum Expression {}
}

macro_rules! into_vector {
    ($kind:ident: $($type:ty, |$value:ident| $operand:expr);* $(;)?) => {
        $(impl IntoVector<kind::$kind> for $type {
            fn into_vector(self) -> VectorExpr {
                let $value = self;
                $operand
            }
        })*
    };
}
into_vector! { Numbers:
    Vec<f32>, |v| VectorExpr::Vector(v);
    &Vec<f32>, |v| VectorExpr::Vector(v.clone());
    &[f32], |v| VectorExpr::Vector(v.to_vec());
    PgVector, |v| VectorExpr::Vector(v.to_vec());
    &PgVector, |v| VectorExpr::Vector(v.to_vec());
}
into_vector! { Expression:
    Expr, |e| VectorExpr::Expr(e);
    FunctionCall, |f| VectorExpr::Expr(f.into());
    SelectStatement, |s| VectorExpr::Expr(s.into());
    Value, |v| VectorExpr::Expr(v.into());
    VectorExpr, |v| v;
}

impl<const N: usize> IntoVector<kind::Numbers> for [f32; N] {
    fn into_vector(self) -> VectorExpr {
        VectorExpr::Vector(self.to_vec())
    }
}

impl<const N: usize> IntoVector<kind::Numbers> for &[f32; N] {
    fn into_vector(self) -> VectorExpr {
        VectorExpr::Vector(self.to_vec())
    }
}

impl<C: ColumnTrait> IntoVector<kind::Column> for C {
    fn into_vector(self) -> VectorExpr {
        VectorExpr::Expr(self.into_expr())
    }
}

/// pgvector's distances, on columns and on anything else that is a vector.
///
/// The result is a plain SeaORM expression: select it, filter by it, order by it. An index serves `ORDER BY` of the bare
/// expression with a `LIMIT`.
///
/// ```
/// use pgai_sea::prelude::*;
/// use sea_orm::sea_query::{Expr, PostgresQueryBuilder, Query};
///
/// let nearest = Query::select()
///     .column("chunk")
///     .from("posts_embedding_store")
///     .order_by_expr(Expr::col("embedding").cosine_distance([1.0, 0.5]), sea_orm::Order::Asc)
///     .limit(5)
///     .to_string(PostgresQueryBuilder);
/// assert_eq!(
///     nearest,
///     r#"SELECT "chunk" FROM "posts_embedding_store" ORDER BY "embedding" <=> '[1,0.5]' ASC LIMIT 5"#
/// );
/// ```
pub trait VectorExprTrait<Kind>: IntoVector<Kind> + Sized {
    /// `self <-> other`: Euclidean distance.
    fn l2_distance<K>(self, other: impl IntoVector<K>) -> Expr {
        distance(Metric::L2, self, other)
    }

    /// `self <=> other`: one minus the cosine of the angle, 0 to 2.
    fn cosine_distance<K>(self, other: impl IntoVector<K>) -> Expr {
        distance(Metric::Cosine, self, other)
    }

    /// `self <#> other`: the inner product, negated, so that ascending order has the largest product first.
    fn max_inner_product<K>(self, other: impl IntoVector<K>) -> Expr {
        distance(Metric::InnerProduct, self, other)
    }

    /// `self <+> other`: taxicab distance.
    fn l1_distance<K>(self, other: impl IntoVector<K>) -> Expr {
        distance(Metric::L1, self, other)
    }
}

impl<Kind, T: IntoVector<Kind>> VectorExprTrait<Kind> for T {}

fn distance<L, R>(metric: Metric, left: impl IntoVector<L>, right: impl IntoVector<R>) -> Expr {
    metric.between(left.into_vector().into(), right.into_vector().into())
}

#[cfg(test)]
mod tests {
    use sea_orm::QueryTrait;
    use sea_orm::sea_query::{PostgresQueryBuilder, Query};
    use sea_orm::{DbBackend, EntityTrait, QueryOrder};

    use super::*;
    use crate::search::ai;
    use crate::search::statement::tests::store;

    fn sql(expr: Expr) -> String {
        Query::select().expr(expr).to_string(PostgresQueryBuilder)
    }

    #[test]
    fn each_distance_has_its_operator() {
        let column = || Expr::col("e");
        assert_eq!(sql(column().l2_distance(vec![1.0])), r#"SELECT "e" <-> '[1]'"#);
        assert_eq!(
            sql(column().cosine_distance([1.0].as_slice())),
            r#"SELECT "e" <=> '[1]'"#
        );
        assert_eq!(
            sql(column().max_inner_product(PgVector::from(vec![1.0]))),
            r#"SELECT "e" <#> '[1]'"#
        );
        assert_eq!(sql(column().l1_distance([1.0])), r#"SELECT "e" <+> '[1]'"#);
    }

    #[test]
    fn columns_numbers_and_functions_stand_on_either_side() {
        let column = store::Column::Embedding;
        assert_eq!(
            sql(column.l2_distance(column)),
            r#"SELECT "store"."embedding" <-> "store"."embedding""#
        );
        assert_eq!(
            sql(vec![2.0].cosine_distance(column)),
            r#"SELECT '[2]' <=> "store"."embedding""#
        );
        assert_eq!(
            sql(column.cosine_distance(ai::ollama_embed("m", "it's"))),
            r#"SELECT "store"."embedding" <=> (ai.ollama_embed(model => 'm', input_text => E'it\'s'))"#
        );
    }

    #[test]
    fn values_are_bound() {
        let statement = store::Entity::find()
            .order_by_asc(store::Column::Embedding.cosine_distance(vec![0.25, 1.0]))
            .build(DbBackend::Postgres);
        assert!(
            statement.sql.ends_with(r#"ORDER BY "store"."embedding" <=> $1 ASC"#),
            "{}",
            statement.sql
        );
        assert_eq!(
            statement.values.unwrap().0,
            vec![Value::Vector(Some(vec![0.25, 1.0].into()))]
        );
    }
}

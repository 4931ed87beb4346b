//! pgvector's distances and functions as SeaORM expressions.

mod operand;
mod quantized;
#[cfg(test)]
mod tests;

use sea_orm::sea_query::{Expr, ExprTrait, Func};

use super::metric::Metric;

#[doc(hidden)]
pub use self::operand::kind;
pub use self::operand::{IntoVector, VectorExpr};
pub(crate) use self::quantized::Quantization;

/// Gives pgvector's distances and functions to columns, expressions and vectors.
///
/// The result is a SeaORM expression: select it, filter by it, order by it. An index serves a query that orders by the
/// bare expression and has a `LIMIT`.
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
///
/// Which type has which function:
///
/// | | `vector` | `halfvec` | `sparsevec` | `bit` |
/// |---|---|---|---|---|
/// | `l2_distance`, `cosine_distance`, `max_inner_product`, `l1_distance` | yes | yes | yes | |
/// | `hamming_distance`, `jaccard_distance` | | | | yes |
/// | `l2_normalize` | yes | yes | yes | |
/// | `vector_dims`, `binary_quantize`, `subvector` | yes | yes | | |
/// | the norm | `vector_norm` | `l2_norm` | `l2_norm` | |
/// | `avg`, `sum` | yes | yes | | |
///
/// The aggregates are SeaORM's own: `Column::Embedding.avg()`, `Expr::col("embedding").sum()`.
pub trait VectorExprTrait<Kind>: IntoVector<Kind> + Sized {
    /// `self <-> other`: Euclidean distance.
    fn l2_distance<K>(self, other: impl IntoVector<K>) -> Expr {
        distance(Metric::L2, self, other)
    }

    /// `self <=> other`: one minus the cosine of the angle, 0 to 2.
    fn cosine_distance<K>(self, other: impl IntoVector<K>) -> Expr {
        distance(Metric::Cosine, self, other)
    }

    /// `self <#> other`: the negated inner product. Ascending order has the largest product first.
    fn max_inner_product<K>(self, other: impl IntoVector<K>) -> Expr {
        distance(Metric::InnerProduct, self, other)
    }

    /// `self <+> other`: taxicab distance.
    fn l1_distance<K>(self, other: impl IntoVector<K>) -> Expr {
        distance(Metric::L1, self, other)
    }

    /// `self <~> other`: the number of bits that differ. Both sides are bits of the same length.
    ///
    /// ```
    /// use pgai_sea::prelude::*;
    /// use sea_orm::sea_query::{Expr, PostgresQueryBuilder, Query};
    ///
    /// let differing = Expr::col("fingerprint").hamming_distance(Bits::from([true, false, true]));
    /// assert_eq!(
    ///     Query::select().expr(differing).to_string(PostgresQueryBuilder),
    ///     r#"SELECT "fingerprint" <~> '101'::"bit""#
    /// );
    /// ```
    fn hamming_distance<K>(self, other: impl IntoVector<K>) -> Expr {
        distance(Metric::Hamming, self, other)
    }

    /// `self <%> other`: one minus the share of the bits set in both among those set in either, 0 to 1. Both sides are
    /// bits of the same length.
    fn jaccard_distance<K>(self, other: impl IntoVector<K>) -> Expr {
        distance(Metric::Jaccard, self, other)
    }

    /// `vector_dims(self)`: the number of dimensions, an `integer`.
    fn vector_dims(self) -> Expr {
        call("vector_dims", self)
    }

    /// `vector_norm(self)`: the Euclidean length of a `vector`, a `double precision`. A halfvec or sparsevec has
    /// [`l2_norm`](Self::l2_norm).
    fn vector_norm(self) -> Expr {
        call("vector_norm", self)
    }

    /// `l2_norm(self)`: the Euclidean length of a `halfvec` or `sparsevec`, a `double precision`. A vector has
    /// [`vector_norm`](Self::vector_norm).
    fn l2_norm(self) -> Expr {
        call("l2_norm", self)
    }

    /// `l2_normalize(self)`: the vector of length 1 in the same direction.
    fn l2_normalize(self) -> Expr {
        call("l2_normalize", self)
    }

    /// `binary_quantize(self)`: a bit for each number, set if it is positive.
    ///
    /// ```
    /// use pgai_sea::prelude::*;
    /// use sea_orm::sea_query::{Expr, PostgresQueryBuilder, Query};
    ///
    /// let rough = Expr::col("embedding")
    ///     .binary_quantize()
    ///     .cast_bit(3)
    ///     .hamming_distance([0.1, -0.2, 0.3].binary_quantize());
    /// assert_eq!(
    ///     Query::select().expr(rough).to_string(PostgresQueryBuilder),
    ///     r#"SELECT CAST(binary_quantize("embedding") AS bit(3)) <~> binary_quantize('[0.1,-0.2,0.3]')"#
    /// );
    /// ```
    fn binary_quantize(self) -> Expr {
        call("binary_quantize", self)
    }

    /// `subvector(self, start, count)`: `count` numbers, beginning at number `start`, counted from 1.
    fn subvector(self, start: u32, count: u32) -> Expr {
        // literals: an index on the expression is not found by one with parameters
        let number = |number: u32| Expr::cust(number.to_string());
        let arguments = [operand(self), number(start), number(count)];
        Func::cust("subvector").args(arguments).into()
    }

    /// `CAST(self AS vector(dimensions))`.
    fn cast_vector(self, dimensions: u32) -> Expr {
        operand(self).cast_as(format!("vector({dimensions})"))
    }

    /// `CAST(self AS halfvec(dimensions))`: numbers of 16 bits, for half the memory. An
    /// [index](crate::pgvector::CreateVectorIndex::halfvec) on this expression serves a query with the same expression.
    fn cast_halfvec(self, dimensions: u32) -> Expr {
        Quantization::HalfVec.of(operand(self), dimensions)
    }

    /// `CAST(self AS sparsevec(dimensions))`: stores no zeros.
    fn cast_sparsevec(self, dimensions: u32) -> Expr {
        operand(self).cast_as(format!("sparsevec({dimensions})"))
    }

    /// `CAST(self AS bit(length))`: use it on [`binary_quantize`](Self::binary_quantize), whose type has no length. An
    /// [index](crate::pgvector::CreateVectorIndex::binary) on both serves a query with both.
    fn cast_bit(self, length: u32) -> Expr {
        operand(self).cast_as(format!("bit({length})"))
    }
}

impl<Kind, T: IntoVector<Kind>> VectorExprTrait<Kind> for T {}

fn operand<Kind>(vector: impl IntoVector<Kind>) -> Expr {
    vector.into_vector().into()
}

fn distance<L, R>(metric: Metric, left: impl IntoVector<L>, right: impl IntoVector<R>) -> Expr {
    metric.between(operand(left), operand(right))
}

fn call<Kind>(function: &'static str, vector: impl IntoVector<Kind>) -> Expr {
    Func::cust(function).arg(operand(vector)).into()
}

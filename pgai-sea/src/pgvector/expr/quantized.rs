//! Quantized vectors: the expressions that indexes are built on. An index serves a query only if both have the same
//! expression.

use sea_orm::sea_query::{Expr, ExprTrait, Func};

/// A way to make vectors smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Quantization {
    /// Two bytes a number instead of four.
    HalfVec,
    /// One bit a number: whether it is positive.
    Binary,
}

impl Quantization {
    /// `CAST(embedding AS halfvec(dimensions))`, or `CAST(binary_quantize(embedding) AS bit(dimensions))`.
    pub(crate) fn of(self, embedding: Expr, dimensions: u32) -> Expr {
        match self {
            Self::HalfVec => embedding.cast_as(format!("halfvec({dimensions})")),
            Self::Binary => {
                let bits: Expr = Func::cust("binary_quantize").arg(embedding).into();
                bits.cast_as(format!("bit({dimensions})"))
            }
        }
    }
}

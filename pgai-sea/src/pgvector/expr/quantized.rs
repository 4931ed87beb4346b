//! The expressions that quantized indexes are built on. An index serves a query only if both have the same one.

use sea_orm::sea_query::{Expr, ExprTrait, Func};

/// `CAST(embedding AS halfvec(dimensions))`: half the memory.
pub(crate) fn halfvec_expr(embedding: Expr, dimensions: u32) -> Expr {
    embedding.cast_as(format!("halfvec({dimensions})"))
}

/// `CAST(binary_quantize(embedding) AS bit(dimensions))`: one bit for each number, whether it is positive.
pub(crate) fn binary_expr(embedding: Expr, dimensions: u32) -> Expr {
    let bits: Expr = Func::cust("binary_quantize").arg(embedding).into();
    bits.cast_as(format!("bit({dimensions})"))
}

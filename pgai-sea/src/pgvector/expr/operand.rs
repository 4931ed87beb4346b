//! The operands of a distance.

use sea_orm::ColumnTrait;
use sea_orm::prelude::PgVector;
use sea_orm::sea_query::{Expr, FunctionCall, SelectStatement, Value};

use crate::pgvector::{Bits, HalfVec, SparseVec};

/// An operand of a distance: numbers, or an SQL expression.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum VectorExpr {
    /// Numbers. They are bound, never formatted.
    Vector(Vec<f32>),
    /// An expression that PostgreSQL evaluates to a vector: a column, a function call. It may have columns of the row
    /// that it is compared with. A search evaluates it wherever its query stands.
    Expr(Expr),
    /// A call that may be expensive, such as those of [`ai`](crate::search::ai), and has no columns. A search evaluates
    /// it once, in a statement of its own, and goes on with the numbers.
    Call(Expr),
}

impl From<VectorExpr> for Expr {
    fn from(operand: VectorExpr) -> Self {
        match operand {
            VectorExpr::Vector(vector) => Self::val(PgVector::from(vector)),
            VectorExpr::Expr(expr) | VectorExpr::Call(expr) => expr,
        }
    }
}

/// An operand of a distance: `Vec<f32>`, a slice or array of `f32`, [`PgVector`], [`HalfVec`], [`SparseVec`], [`Bits`],
/// a column, an expression, an [`ai`](crate::search::ai) function or a subquery.
///
/// Numbers, those of a [`HalfVec`] too, are bound as `vector`. PostgreSQL casts them if the other side is a halfvec or
/// sparsevec, and never casts the column, so that its index is used.
///
/// `Kind` tells the implementations apart. It is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a vector",
    note = "a vector is a Vec<f32>, &[f32], [f32; N], PgVector, HalfVec, SparseVec, Bits, a column, an expression or a \
        function \
            of pgai_sea::ai"
)]
pub trait IntoVector<Kind> {
    /// The operand.
    fn into_vector(self) -> VectorExpr;
}

/// The kinds of [`IntoVector`]. They let a column, which is any type with `ColumnTrait`, be one of its types.
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
    HalfVec, |v| VectorExpr::Vector(v.to_vec());
    &HalfVec, |v| VectorExpr::Vector(v.to_vec());
}
into_vector! { Expression:
    Expr, |e| VectorExpr::Expr(e);
    FunctionCall, |f| VectorExpr::Expr(f.into());
    SelectStatement, |s| VectorExpr::Expr(s.into());
    Value, |v| VectorExpr::Expr(v.into());
    VectorExpr, |v| v;
    SparseVec, |v| VectorExpr::Expr(Expr::val(v));
    &SparseVec, |v| VectorExpr::Expr(Expr::val(v.clone()));
    Bits, |b| VectorExpr::Expr(Expr::val(b));
    &Bits, |b| VectorExpr::Expr(Expr::val(b.clone()));
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

//! What stands on either side of a distance.

use sea_orm::ColumnTrait;
use sea_orm::prelude::PgVector;
use sea_orm::sea_query::{Expr, FunctionCall, SelectStatement, Value};

use crate::pgvector::{Bits, HalfVec, SparseVec};

/// One side of a distance: numbers, whose length is known, or an SQL expression.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum VectorExpr {
    /// Numbers. They are bound, never formatted.
    Vector(Vec<f32>),
    /// A column, a function call, anything that PostgreSQL evaluates to a vector. It may speak of the row that it is compared with,
    /// and a search writes it wherever its query stands.
    Expr(Expr),
    /// A call that may cost something, as those of [`ai`](crate::search::ai) do, and knows nothing of any row: a search evaluates it
    /// once, by itself, and goes on with the numbers.
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

/// What can stand on either side of a distance: `Vec<f32>`, a slice or array of `f32`, [`PgVector`], a [`HalfVec`],
/// [`SparseVec`] or [`Bits`], a column, an expression, an [`ai`](crate::search::ai) function, a subquery.
///
/// Numbers are bound as `vector`, which PostgreSQL turns into a halfvec or sparsevec where the other side is one. A [`HalfVec`] is
/// numbers as well: beside a column of type `vector` it leaves the column as it is, and so the column's index in use.
///
/// `Kind` only tells the implementations apart; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a vector",
    note = "a vector is a Vec<f32>, &[f32], [f32; N], PgVector, HalfVec, SparseVec, Bits, a column, an expression or a function \
            of pgai_sea::ai"
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

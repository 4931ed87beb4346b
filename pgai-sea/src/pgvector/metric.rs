//! The distances that pgvector knows.

use sea_orm::sea_query::{BinOper, Expr, ExprTrait};

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
    /// How many bits differ: `<~>`. Of bits only.
    Hamming,
    /// One minus the share of bits that both have set among those that either has, 0 to 1: `<%>`. Of bits only.
    Jaccard,
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
            Self::Hamming => "<~>",
            Self::Jaccard => "<%>",
        }
    }

    /// The word for it in names of operator classes: `cosine` in `vector_cosine_ops`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::L2 => "l2",
            Self::InnerProduct => "ip",
            Self::L1 => "l1",
            Self::Hamming => "hamming",
            Self::Jaccard => "jaccard",
        }
    }

    /// The similarity at a distance, larger for nearer: the cosine of the angle, or the inner product. The other metrics have none
    /// that is agreed on.
    ///
    /// ```
    /// use pgai_sea::prelude::*;
    ///
    /// assert_eq!(Metric::Cosine.similarity(0.25), Some(0.75));
    /// assert_eq!(Metric::InnerProduct.similarity(-2.0), Some(2.0));
    /// assert_eq!(Metric::L2.similarity(1.0), None);
    /// ```
    #[must_use]
    pub fn similarity(self, distance: f64) -> Option<f64> {
        match self {
            Self::Cosine => Some(1.0 - distance),
            Self::InnerProduct => Some(-distance),
            _ => None,
        }
    }

    /// The distance at a similarity. Both turns are their own inverse.
    pub(crate) fn distance_at(self, similarity: f64) -> Option<f64> {
        self.similarity(similarity)
    }

    pub(crate) fn between(self, left: Expr, right: Expr) -> Expr {
        left.binary(BinOper::Custom(self.operator()), right)
    }
}

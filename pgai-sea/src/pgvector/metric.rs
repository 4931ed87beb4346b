//! The distances of pgvector.

use sea_orm::sea_query::{BinOper, Expr, ExprTrait};

/// A distance between two vectors, which pgvector has as an operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// One minus the cosine of the angle, 0 to 2: `<=>`. Most embedding models are made for it.
    #[default]
    Cosine,
    /// Euclidean distance: `<->`.
    L2,
    /// The inner product, negated so that a smaller distance is nearer: `<#>`.
    InnerProduct,
    /// Taxicab distance: `<+>`.
    L1,
    /// The number of bits that differ: `<~>`. It compares bits only.
    Hamming,
    /// One minus the share of the bits set in both among those set in either, 0 to 1: `<%>`. It compares bits only.
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

    /// Its word in the name of an operator class: `cosine` in `vector_cosine_ops`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::L2 => "l2",
            Self::InnerProduct => "ip",
            Self::L1 => "l1",
            Self::Hamming => "hamming",
            Self::Jaccard => "jaccard",
        }
    }

    /// The metric of this word.
    #[cfg(feature = "worker")]
    pub(super) fn of_word(word: &str) -> Option<Self> {
        use Metric::{Cosine, Hamming, InnerProduct, Jaccard, L1, L2};

        [Cosine, L2, InnerProduct, L1, Hamming, Jaccard]
            .into_iter()
            .find(|metric| metric.word() == word)
    }

    /// The metric of one of pgvector's operator classes: `halfvec_l2_ops`.
    #[cfg(feature = "cli")]
    pub(crate) fn of_opclass(opclass: &str) -> Option<Self> {
        let (_, word) = opclass.strip_suffix("_ops")?.split_once('_')?;
        Self::of_word(word)
    }

    /// The similarity at a distance: the cosine of the angle, or the inner product. A larger similarity is nearer. The
    /// other metrics have none.
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

    /// The distance at a similarity. The conversion is its own inverse.
    pub(crate) fn distance_at(self, similarity: f64) -> Option<f64> {
        self.similarity(similarity)
    }

    pub(crate) fn between(self, left: Expr, right: Expr) -> Expr {
        left.binary(BinOper::Custom(self.operator()), right)
    }
}

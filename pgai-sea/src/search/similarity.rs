//! Similarities: distances turned round.

use super::expr::Metric;

impl Metric {
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
    pub(super) fn distance_at(self, similarity: f64) -> Option<f64> {
        self.similarity(similarity)
    }
}

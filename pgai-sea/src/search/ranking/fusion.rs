//! Reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009).

use sea_orm::sea_query::{Expr, ExprTrait, Func};

use super::columns::RANK;
use crate::search::error::SearchError;

/// The constants of the fusion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fusion {
    pub(super) k: f64,
    pub(super) vector: f64,
    pub(super) text: f64,
}

impl Default for Fusion {
    fn default() -> Self {
        Self {
            k: 60.0,
            vector: 1.0,
            text: 1.0,
        }
    }
}

impl Fusion {
    pub(super) fn check(self) -> Result<(), SearchError> {
        for (setter, value) in [("k", self.k), ("weights", self.vector), ("weights", self.text)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(SearchError::Number {
                    setter,
                    value,
                    range: "0 or more",
                });
            }
        }
        Ok(())
    }

    /// The score of a row with this rank by its distance and no rank in the full text.
    pub(super) fn nearest(self, rank: u64) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "ranks within a window")]
        let rank = rank as f64;
        self.vector / (self.k + rank)
    }

    /// The score in SQL of a row that the legs `vector` and `text` may have.
    pub(super) fn score(self, vector: &'static str, text: &'static str) -> Expr {
        let part =
            |weight: f64, leg: &'static str| Expr::from(Func::coalesce([self.part(weight, leg), Expr::val(0.0)]));
        part(self.vector, vector).add(part(self.text, text))
    }

    /// The score in SQL of a row that only the leg `vector` has.
    pub(super) fn nearest_in(self, vector: &'static str) -> Expr {
        self.part(self.vector, vector)
    }

    fn part(self, weight: f64, leg: &'static str) -> Expr {
        Expr::val(weight).div(Expr::val(self.k).add(Expr::col((leg, RANK))))
    }
}

//! Searching through an index on quantized vectors.

use sea_orm::sea_query::Expr;

use super::error::SearchError;
use crate::pgvector::{Metric, Quantization};

/// Searches through an index on quantized vectors, which have fewer bits: `search.quantized(Quantized::halfvec())`.
///
/// The index finds several times as many rows as are wanted. Their exact distances decide which of them are the hits.
///
/// The index is one that [`CreateVectorIndex`](crate::pgvector::CreateVectorIndex) creates with
/// [`halfvec`](crate::pgvector::CreateVectorIndex::halfvec), for the search's metric, or with
/// [`binary`](crate::pgvector::CreateVectorIndex::binary), for the Hamming distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Quantized {
    quantization: Quantization,
    oversample: u32,
}

impl Quantized {
    /// Two bytes a number instead of four. It fetches twice as many rows as are wanted, and finds the same rows for
    /// most models.
    pub fn halfvec() -> Self {
        Self {
            quantization: Quantization::HalfVec,
            oversample: 2,
        }
    }

    /// One bit a number, for models of many dimensions. It fetches ten times as many rows as are wanted.
    pub fn binary() -> Self {
        Self {
            quantization: Quantization::Binary,
            oversample: 10,
        }
    }

    /// How many times as many rows as are wanted the search fetches from the index. At least 1.
    pub fn oversample(mut self, times: u32) -> Self {
        self.oversample = times;
        self
    }

    pub(super) fn times(self) -> u64 {
        u64::from(self.oversample)
    }

    pub(super) fn check(self) -> Result<(), SearchError> {
        if self.oversample == 0 {
            return Err(SearchError::Number {
                setter: "oversample",
                value: 0.0,
                range: "1 or more",
            });
        }
        Ok(())
    }

    /// The expression that the index orders by.
    pub(super) fn order(self, metric: Metric, embedding: Expr, query: Expr, dimensions: usize) -> Expr {
        let dimensions = u32::try_from(dimensions).unwrap_or(u32::MAX);
        let metric = match self.quantization {
            Quantization::HalfVec => metric,
            Quantization::Binary => Metric::Hamming,
        };
        let quantized = |vector| self.quantization.of(vector, dimensions);
        metric.between(quantized(embedding), quantized(query))
    }
}

//! The length of a vectorizer's vectors, and the check that a vector is fit to be stored or searched with.

#[cfg(any(feature = "embedder", feature = "worker", test))]
use crate::config::MAX_DIMENSIONS;

/// The length of a vectorizer's vectors: 1 to 16,000, as in pgvector's `vector`.
#[cfg(any(feature = "embedder", feature = "worker", test))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dimensions(usize);

#[cfg(any(feature = "embedder", feature = "worker", test))]
impl Dimensions {
    pub(crate) fn get(self) -> usize {
        self.0
    }
}

#[cfg(any(feature = "embedder", feature = "worker", test))]
impl TryFrom<i32> for Dimensions {
    type Error = DimensionsError;

    fn try_from(dimensions: i32) -> Result<Self, DimensionsError> {
        match usize::try_from(dimensions) {
            Ok(number) if (1..=MAX_DIMENSIONS).contains(&dimensions) => Ok(Self(number)),
            _ => Err(DimensionsError(dimensions)),
        }
    }
}

/// A number of dimensions that no vector has.
#[cfg(any(feature = "embedder", feature = "worker", test))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a vector has 1 to {max} dimensions, configured are {0}", max = MAX_DIMENSIONS)]
pub(crate) struct DimensionsError(i32);

/// Why a vector is not fit.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub(crate) enum VectorFault {
    #[error(
        "a vector of {actual} dimensions, configured are {expected}: make the vectorizer's dimensions and the model \
         agree"
    )]
    Length { expected: usize, actual: usize },
    #[error("a vector whose element {position} is not finite: {value}")]
    NotFinite { position: usize, value: f32 },
}

/// Checks that `vector` has `dimensions` numbers, and that all are finite.
pub(crate) fn check_vector(vector: &[f32], dimensions: usize) -> Result<(), VectorFault> {
    if vector.len() != dimensions {
        return Err(VectorFault::Length {
            expected: dimensions,
            actual: vector.len(),
        });
    }
    match vector.iter().position(|number| !number.is_finite()) {
        Some(position) => Err(VectorFault::NotFinite {
            position,
            value: vector[position],
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_those_of_a_vector() {
        assert_eq!(Dimensions::try_from(1).map(Dimensions::get), Ok(1));
        assert_eq!(Dimensions::try_from(16_000).map(Dimensions::get), Ok(16_000));
        for bad in [i32::MIN, -1, 0, 16_001, 65_537, i32::MAX] {
            assert_eq!(Dimensions::try_from(bad), Err(DimensionsError(bad)));
        }
    }

    #[test]
    fn a_vector_has_the_length_and_only_finite_numbers() {
        assert_eq!(check_vector(&[1.0, f32::MAX], 2), Ok(()));
        let wrong = check_vector(&[f32::NAN], 2);
        assert_eq!(wrong, Err(VectorFault::Length { expected: 2, actual: 1 }));
        for number in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            let fault = check_vector(&[0.0, number], 2);
            assert!(
                matches!(fault, Err(VectorFault::NotFinite { position: 1, .. })),
                "{fault:?}"
            );
        }
    }
}

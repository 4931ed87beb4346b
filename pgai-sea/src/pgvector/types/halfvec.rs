//! `halfvec`.

use std::fmt;
use std::str::FromStr;

use half::f16;
use sea_orm::prelude::PgVector;
use serde::{Deserialize, Serialize};

use super::VectorError;
use super::column::{Reader, Wire, column_type};

/// A `halfvec`: numbers of 16 bits, which have three significant digits and go up to ±65,504. pgvector stores up to
/// 16,000 numbers.
///
/// It is made from numbers of 32 bits, rounded to the nearest. A number beyond the range becomes an infinity. The
/// database refuses infinities and NaN.
///
/// ```
/// use pgai_sea::pgvector::HalfVec;
///
/// # fn main() -> Result<(), pgai_sea::pgvector::VectorError> {
/// let rounded = HalfVec::from(vec![0.1, 2.5]);
/// assert_eq!(rounded.to_vec(), [0.099_975_586, 2.5]);
/// assert_eq!(rounded.to_string(), "[0.099975586,2.5]");
/// assert_eq!("[0.1, 2.5]".parse::<HalfVec>()?, rounded);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<f32>", into = "Vec<f32>")]
pub struct HalfVec(Vec<f16>);

impl HalfVec {
    /// Its numbers.
    #[must_use]
    pub fn to_vec(&self) -> Vec<f32> {
        self.0.iter().copied().map(f16::to_f32).collect()
    }

    /// The number of dimensions.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.0.len()
    }
}

impl From<&[f32]> for HalfVec {
    fn from(vector: &[f32]) -> Self {
        Self(vector.iter().copied().map(f16::from_f32).collect())
    }
}

impl From<Vec<f32>> for HalfVec {
    fn from(vector: Vec<f32>) -> Self {
        Self::from(vector.as_slice())
    }
}

impl<const N: usize> From<[f32; N]> for HalfVec {
    fn from(vector: [f32; N]) -> Self {
        Self::from(vector.as_slice())
    }
}

impl From<&PgVector> for HalfVec {
    fn from(vector: &PgVector) -> Self {
        Self::from(vector.as_slice())
    }
}

impl From<PgVector> for HalfVec {
    fn from(vector: PgVector) -> Self {
        Self::from(&vector)
    }
}

impl From<HalfVec> for Vec<f32> {
    fn from(vector: HalfVec) -> Self {
        vector.to_vec()
    }
}

impl From<HalfVec> for PgVector {
    fn from(vector: HalfVec) -> Self {
        vector.to_vec().into()
    }
}

/// Displays as `[0.5,1]`.
impl fmt::Display for HalfVec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, number) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{}", number.to_f32())?;
        }
        f.write_str("]")
    }
}

impl FromStr for HalfVec {
    type Err = VectorError;

    fn from_str(text: &str) -> Result<Self, VectorError> {
        let invalid = |problem: String| VectorError::new(Self::SQL_TYPE, problem);
        let numbers = text
            .trim()
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .ok_or_else(|| invalid(format!("{text:?} is not in brackets")))?;
        if numbers.trim().is_empty() {
            return Ok(Self::default());
        }
        numbers
            .split(',')
            .map(|number| match number.trim().parse() {
                Ok(number) => Ok(f16::from_f32(number)),
                Err(_) => Err(invalid(format!("{number:?} is not a number"))),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Wire for HalfVec {
    const SQL_TYPE: &'static str = "halfvec";

    /// Two bytes with the length, two unused ones, and two for each number.
    fn from_binary(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let length = u16::from_be_bytes(reader.take()?);
        let _: [u8; 2] = reader.take()?;
        (0..length)
            .map(|_| reader.take().map(f16::from_be_bytes))
            .collect::<Option<_>>()
            .map(Self)
    }
}

column_type!(HalfVec);

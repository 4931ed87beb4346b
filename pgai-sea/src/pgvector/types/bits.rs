//! `bit`.

use std::fmt;
use std::str::FromStr;

use super::VectorError;
use super::column::{Reader, Wire, column_type, serde_as_text};

/// A `bit(n)`, for fingerprints and binary quantized vectors. pgvector indexes up to 64,000 bits.
///
/// ```
/// use pgai_sea::pgvector::Bits;
///
/// # fn main() -> Result<(), pgai_sea::pgvector::VectorError> {
/// let bits = Bits::from([true, false, true]);
/// assert_eq!(bits.to_string(), "101");
/// assert_eq!("101".parse::<Bits>()?, bits);
/// assert_eq!(Bits::from_bytes(&[0b1010_0000]).to_string(), "10100000"); // the first bit is a byte's highest
/// assert_eq!(Bits::quantize(&[0.5, -0.5, 0.1]), bits);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits(Vec<bool>);

impl Bits {
    /// Eight bits for each byte, the highest first.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bits(bytes).collect())
    }

    /// The bits that pgvector's `binary_quantize` makes of a vector: one for each number, set if it is positive.
    #[must_use]
    pub fn quantize(vector: &[f32]) -> Self {
        Self(vector.iter().map(|number| *number > 0.0).collect())
    }

    /// The number of bits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bits.
    #[must_use]
    pub fn as_slice(&self) -> &[bool] {
        &self.0
    }
}

fn bits(bytes: &[u8]) -> impl Iterator<Item = bool> {
    bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |i| byte & (0x80 >> i) != 0))
}

impl From<&[bool]> for Bits {
    fn from(bits: &[bool]) -> Self {
        Self(bits.to_vec())
    }
}

impl From<Vec<bool>> for Bits {
    fn from(bits: Vec<bool>) -> Self {
        Self(bits)
    }
}

impl<const N: usize> From<[bool; N]> for Bits {
    fn from(bits: [bool; N]) -> Self {
        Self(bits.into())
    }
}

impl From<Bits> for Vec<bool> {
    fn from(bits: Bits) -> Self {
        bits.0
    }
}

impl FromIterator<bool> for Bits {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        Self(bits.into_iter().collect())
    }
}

/// Displays as `101`.
impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|bit| f.write_str(if *bit { "1" } else { "0" }))
    }
}

impl FromStr for Bits {
    type Err = VectorError;

    fn from_str(text: &str) -> Result<Self, VectorError> {
        let bit = |c| match c {
            '0' => Ok(false),
            '1' => Ok(true),
            c => Err(VectorError::new(Self::SQL_TYPE, format!("{c:?} is neither 0 nor 1"))),
        };
        text.trim().chars().map(bit).collect()
    }
}

impl Wire for Bits {
    /// SeaORM casts to the quoted name, which is a type of any length. Unquoted it would be `bit(1)`.
    const SQL_TYPE: &'static str = "bit";

    /// Four bytes with the length, then the bits.
    fn from_binary(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let length = reader.number()?;
        let bits: Vec<_> = bits(reader.0).take(length).collect();
        (bits.len() == length).then_some(Self(bits))
    }
}

column_type!(Bits);
serde_as_text!(Bits);

//! `sparsevec`.

use std::fmt;
use std::str::FromStr;

use sea_orm::prelude::PgVector;

use super::VectorError;
use super::column::{Reader, Wire, column_type, serde_as_text};

/// A `sparsevec`: most of its numbers are zero and are not stored. pgvector stores up to 16,000 others, and up to
/// 1,000,000,000 dimensions.
///
/// ```
/// use pgai_sea::pgvector::SparseVec;
///
/// # fn main() -> Result<(), pgai_sea::pgvector::VectorError> {
/// let words = SparseVec::new(30_000, [(17, 0.5), (2_041, 1.25)])?; // positions count from 0
/// assert_eq!(words.to_string(), "{18:0.5,2042:1.25}/30000"); // and from 1 in PostgreSQL's text
/// assert_eq!("{18:0.5,2042:1.25}/30000".parse::<SparseVec>()?, words);
/// assert_eq!(SparseVec::from([0.0, 3.0]), SparseVec::new(2, [(1, 3.0)])?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SparseVec {
    dimensions: usize,
    /// Positions from 0, ascending, and numbers that are not zero.
    elements: Vec<(usize, f32)>,
}

const MAX_DIMENSIONS: usize = 1_000_000_000;

impl SparseVec {
    /// A vector with these numbers at these positions. Positions count from 0 and come in any order. Zeros are left
    /// out.
    ///
    /// # Errors
    ///
    /// A position that occurs twice or is beyond `dimensions`, and `dimensions` that are not between 1 and
    /// 1,000,000,000.
    pub fn new(dimensions: usize, elements: impl IntoIterator<Item = (usize, f32)>) -> Result<Self, VectorError> {
        let invalid = |problem: String| Err(VectorError::new(Self::SQL_TYPE, problem));
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return invalid(format!(
                "{dimensions} dimensions are not between 1 and {MAX_DIMENSIONS}"
            ));
        }
        let mut elements: Vec<_> = elements.into_iter().collect();
        elements.sort_by_key(|(position, _)| *position);
        if let Some(twice) = elements.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return invalid(format!("position {} occurs twice", twice[0].0));
        }
        if let Some((position, _)) = elements.last().filter(|(position, _)| *position >= dimensions) {
            return invalid(format!(
                "position {position}, from 0, is beyond {dimensions} dimensions"
            ));
        }
        elements.retain(|(_, number)| *number != 0.0);
        Ok(Self { dimensions, elements })
    }

    /// The number of dimensions.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The numbers that are not zero, and their positions. Positions count from 0 and ascend.
    #[must_use]
    pub fn elements(&self) -> &[(usize, f32)] {
        &self.elements
    }

    /// All numbers, zeros included: one for each dimension.
    #[must_use]
    pub fn to_vec(&self) -> Vec<f32> {
        let mut vector = vec![0.0; self.dimensions];
        for (position, number) in &self.elements {
            vector[*position] = *number;
        }
        vector
    }
}

impl From<&[f32]> for SparseVec {
    fn from(vector: &[f32]) -> Self {
        let elements = vector.iter().copied().enumerate();
        Self {
            dimensions: vector.len(),
            elements: elements.filter(|(_, number)| *number != 0.0).collect(),
        }
    }
}

impl From<Vec<f32>> for SparseVec {
    fn from(vector: Vec<f32>) -> Self {
        Self::from(vector.as_slice())
    }
}

impl<const N: usize> From<[f32; N]> for SparseVec {
    fn from(vector: [f32; N]) -> Self {
        Self::from(vector.as_slice())
    }
}

impl From<&PgVector> for SparseVec {
    fn from(vector: &PgVector) -> Self {
        Self::from(vector.as_slice())
    }
}

impl From<PgVector> for SparseVec {
    fn from(vector: PgVector) -> Self {
        Self::from(&vector)
    }
}

/// Displays as `{1:0.5,3:2}/5`: positions count from 1, and the number of dimensions follows the slash.
impl fmt::Display for SparseVec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (position, number)) in self.elements.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{}:{number}", position + 1)?;
        }
        write!(f, "}}/{}", self.dimensions)
    }
}

impl FromStr for SparseVec {
    type Err = VectorError;

    fn from_str(text: &str) -> Result<Self, VectorError> {
        let invalid = || VectorError::new(Self::SQL_TYPE, format!("{text:?} is not like {{1:0.5,3:2}}/5"));
        let (elements, dimensions) = text.trim().rsplit_once('/').ok_or_else(invalid)?;
        let dimensions = dimensions.trim().parse().map_err(|_| invalid())?;
        let elements = elements
            .trim()
            .strip_prefix('{')
            .and_then(|elements| elements.strip_suffix('}'))
            .ok_or_else(invalid)?;
        let elements: Option<Vec<_>> = match elements.trim() {
            "" => Some(Vec::new()),
            elements => elements.split(',').map(element).collect(),
        };
        Self::new(dimensions, elements.ok_or_else(invalid)?)
    }
}

fn element(text: &str) -> Option<(usize, f32)> {
    let (position, number) = text.split_once(':')?;
    let position: usize = position.trim().parse().ok()?;
    Some((position.checked_sub(1)?, number.trim().parse().ok()?))
}

impl Wire for SparseVec {
    const SQL_TYPE: &'static str = "sparsevec";

    /// Four bytes each: the dimensions, the number of entries, an unused field, the positions from 0, the numbers.
    fn from_binary(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let dimensions = reader.number()?;
        let count = reader.number()?;
        let _: [u8; 4] = reader.take()?;
        let positions: Vec<_> = (0..count).map(|_| reader.number()).collect::<Option<_>>()?;
        let numbers: Vec<_> = (0..count)
            .map(|_| reader.take().map(f32::from_be_bytes))
            .collect::<Option<_>>()?;
        Self::new(dimensions, positions.into_iter().zip(numbers)).ok()
    }
}

column_type!(SparseVec);
serde_as_text!(SparseVec);

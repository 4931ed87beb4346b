//! A model without a network: a vector per token, and their mean.

use crate::weights::Weights;
use crate::{EncodeError, LoadError};

/// A model that embeds a text with the mean of its tokens' vectors, which do not depend on one another: one of
/// model2vec, or a `StaticEmbedding` of sentence-transformers.
pub struct StaticModel {
    /// A row per vector.
    vectors: Vec<f32>,
    /// The vector of each token, where several share one.
    mapping: Option<Vec<usize>>,
    /// What each token's vector is multiplied with.
    weights: Option<Vec<f32>>,
    dimensions: usize,
    is_model2vec: bool,
}

impl StaticModel {
    /// Loads the model from the bytes of `model.safetensors`.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if it has neither a table `embeddings` nor `embedding.weight`, or one that does not fit.
    pub fn load(safetensors: &[u8]) -> Result<Self, LoadError> {
        let files = [safetensors];
        let weights = Weights::parse(&files)?;
        let is_model2vec = !weights.has("embedding.weight");
        let name = if is_model2vec { "embeddings" } else { "embedding.weight" };
        let shape = weights.shape(name)?;
        let [rows, dimensions] = shape[..] else {
            return Err(LoadError::Shape {
                name: name.to_owned(),
                found: shape,
                expected: vec![0, 0],
            });
        };
        let place = |row: i64| match usize::try_from(row) {
            Ok(row) if row < rows => Ok(row),
            _ => Err(LoadError::unsupported("mapping", &row.to_string())),
        };
        let mapping = weights
            .has("mapping")
            .then(|| weights.integers("mapping"))
            .transpose()?;
        let of_tokens = weights.has("weights").then(|| {
            let shape = weights.shape("weights")?;
            weights.get_outside("weights", &shape)
        });
        Ok(Self {
            vectors: weights.get_outside(name, &shape)?,
            mapping: mapping.map(|rows| rows.into_iter().map(place).collect()).transpose()?,
            weights: of_tokens.transpose()?,
            dimensions,
            is_model2vec,
        })
    }

    /// The length of the vectors.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Whether model2vec wrote the file. It leaves tokens out that are not in the vocabulary.
    #[must_use]
    pub fn is_model2vec(&self) -> bool {
        self.is_model2vec
    }

    /// The mean of the tokens' vectors. Without tokens it is zeros.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Token`] if a token has no vector.
    pub fn embed(&self, tokens: &[u32]) -> Result<Vec<f32>, EncodeError> {
        let mut sum = vec![0.0; self.dimensions];
        for &token in tokens {
            let (row, weight) = self.find(token as usize).ok_or(EncodeError::Token { token })?;
            sum.iter_mut().zip(row).for_each(|(x, y)| *x += y * weight);
        }
        #[expect(clippy::cast_precision_loss, reason = "a text has thousands of tokens")]
        let count = tokens.len().max(1) as f32;
        sum.iter_mut().for_each(|x| *x /= count);
        Ok(sum)
    }

    fn find(&self, token: usize) -> Option<(&[f32], f32)> {
        let row = self
            .mapping
            .as_ref()
            .map_or(Some(token), |rows| rows.get(token).copied())?;
        let weight = self
            .weights
            .as_ref()
            .map_or(Some(1.0), |weights| weights.get(token).copied())?;
        let start = row * self.dimensions;
        Some((self.vectors.get(start..start + self.dimensions)?, weight))
    }
}

impl std::fmt::Debug for StaticModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaticModel")
            .field("dimensions", &self.dimensions)
            .finish_non_exhaustive()
    }
}

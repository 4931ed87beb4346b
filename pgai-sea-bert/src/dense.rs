//! What some models put their pooled vectors through.

use crate::LoadError;
use crate::layer::Linear;
use crate::weights::Weights;

/// A product with weights, and a function: sentence-transformers' module `Dense`.
pub struct Dense {
    linear: Linear,
    /// The hyperbolic tangent, or nothing.
    is_tanh: bool,
    to: usize,
}

impl Dense {
    /// Loads it from the bytes of its `model.safetensors`. It takes `from` numbers and gives `to`.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if `linear.weight` is missing or has another shape.
    pub fn load(
        safetensors: &[u8],
        (from, to): (usize, usize),
        has_bias: bool,
        is_tanh: bool,
    ) -> Result<Self, LoadError> {
        let files = [safetensors];
        let linear = Weights::parse(&files)?.linear("linear", from, to, has_bias)?;
        Ok(Self { linear, is_tanh, to })
    }

    /// How many numbers it gives.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.to
    }

    /// Its result for a vector.
    #[must_use]
    pub fn apply(&self, vector: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        self.linear.forward(vector, vector.len(), &mut out);
        if self.is_tanh {
            out.iter_mut().for_each(|x| *x = x.tanh());
        }
        out
    }
}

impl std::fmt::Debug for Dense {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dense").field("to", &self.to).finish_non_exhaustive()
    }
}

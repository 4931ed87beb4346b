//! The file of weights: tensors by name, as numbers of 32 bits.

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use crate::LoadError;

/// The tensors whose names begin with `prefix`.
pub(crate) struct Weights<'a> {
    tensors: SafeTensors<'a>,
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    /// Reads the list of tensors. Some files have `bert.` in front of every name.
    pub(crate) fn parse(safetensors: &'a [u8]) -> Result<Self, LoadError> {
        let tensors = SafeTensors::deserialize(safetensors)?;
        let prefix = match tensors.tensor("bert.embeddings.word_embeddings.weight") {
            Ok(_) => "bert.",
            Err(_) => "",
        };
        Ok(Self { tensors, prefix })
    }

    /// The numbers of the tensor `name`, whose shape is `shape`.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        self.get_outside(&format!("{}{name}", self.prefix), shape)
    }

    /// The same for a tensor that is no part of the encoder.
    pub(crate) fn get_outside(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let name = name.to_owned();
        let Ok(tensor) = self.tensors.tensor(&name) else {
            return Err(LoadError::Missing { name });
        };
        if tensor.shape() != shape {
            return Err(LoadError::Shape {
                name,
                found: tensor.shape().to_vec(),
                expected: shape.to_vec(),
            });
        }
        let bytes = tensor.data();
        match tensor.dtype() {
            Dtype::F32 => Ok(numbers(bytes, f32::from_le_bytes)),
            Dtype::F16 => Ok(numbers(bytes, |bytes| f16::from_le_bytes(bytes).to_f32())),
            Dtype::BF16 => Ok(numbers(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32())),
            dtype => Err(LoadError::Type {
                name,
                dtype: dtype.to_string(),
            }),
        }
    }

    /// `name.weight` and `name.bias` of a layer normalization, which files of an older format call `gamma` and `beta`.
    pub(crate) fn norm(&self, name: &str, size: usize) -> Result<[Vec<f32>; 2], LoadError> {
        let get = |new, old| match self.get(&format!("{name}.{new}"), &[size]) {
            Err(LoadError::Missing { name: missing }) => {
                self.get(&format!("{name}.{old}"), &[size])
                    .map_err(|error| match error {
                        LoadError::Missing { .. } => LoadError::Missing { name: missing },
                        error => error,
                    })
            }
            found => found,
        };
        Ok([get("weight", "gamma")?, get("bias", "beta")?])
    }
}

fn numbers<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| read(*bytes)).collect()
}

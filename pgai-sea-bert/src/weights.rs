//! The files of weights: tensors by name, as numbers of 32 bits.

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::LoadError;
use crate::layer::Linear;
use crate::math::Norm;

/// The tensors of all files of a model.
pub(crate) struct Weights<'a> {
    files: Vec<SafeTensors<'a>>,
    /// What the names of the encoder's tensors begin with.
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    /// Reads the lists of tensors.
    pub(crate) fn parse<T: AsRef<[u8]>>(files: &'a [T]) -> Result<Self, LoadError> {
        let files = files.iter().map(|file| SafeTensors::deserialize(file.as_ref()));
        Ok(Self {
            files: files.collect::<Result<_, _>>()?,
            prefix: "",
        })
    }

    /// A model that was saved with a head has `prefix` in front of its encoder's names: then `known` has it.
    pub(crate) fn prefixed(self, prefix: &'static str, known: &str) -> Self {
        let prefix = self.find(&format!("{prefix}{known}")).map_or("", |_| prefix);
        Self { prefix, ..self }
    }

    fn find(&self, name: &str) -> Option<TensorView<'a>> {
        self.files.iter().find_map(|file| file.tensor(name).ok())
    }

    /// Whether there is a tensor `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The shape of the tensor `name`.
    pub(crate) fn shape(&self, name: &str) -> Result<Vec<usize>, LoadError> {
        let found = self.find(name).map(|tensor| tensor.shape().to_vec());
        found.ok_or_else(|| LoadError::Missing { name: name.to_owned() })
    }

    /// The numbers of the encoder's tensor `name`, whose shape is `shape`.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        self.get_outside(&format!("{}{name}", self.prefix), shape)
    }

    /// The same for a tensor that is no part of the encoder.
    pub(crate) fn get_outside(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let name = name.to_owned();
        let Some(tensor) = self.find(&name) else {
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
            #[expect(clippy::cast_possible_truncation, reason = "the numbers of a model fit")]
            Dtype::F64 => Ok(numbers(bytes, |bytes| f64::from_le_bytes(bytes) as f32)),
            Dtype::I8 => Ok(numbers(bytes, |bytes| f32::from(i8::from_le_bytes(bytes)))),
            dtype => Err(LoadError::Type {
                name,
                dtype: dtype.to_string(),
            }),
        }
    }

    /// The whole numbers of the tensor `name`.
    pub(crate) fn integers(&self, name: &str) -> Result<Vec<i64>, LoadError> {
        let name = name.to_owned();
        let Some(tensor) = self.find(&name) else {
            return Err(LoadError::Missing { name });
        };
        match tensor.dtype() {
            Dtype::I64 => Ok(numbers(tensor.data(), i64::from_le_bytes)),
            Dtype::I32 => Ok(numbers(tensor.data(), |bytes| i64::from(i32::from_le_bytes(bytes)))),
            dtype => Err(LoadError::Type {
                name,
                dtype: dtype.to_string(),
            }),
        }
    }

    /// A product with `name.weight`, and `name.bias` where the model `has_bias`.
    pub(crate) fn linear(&self, name: &str, from: usize, to: usize, has_bias: bool) -> Result<Linear, LoadError> {
        let weights = self.get(&format!("{name}.weight"), &[to, from])?;
        Ok(Linear::new(&weights, self.bias(name, to, has_bias)?, from))
    }

    /// `name.bias`, or zeros where the model has none.
    pub(crate) fn bias(&self, name: &str, size: usize, has_bias: bool) -> Result<Vec<f32>, LoadError> {
        if has_bias {
            self.get(&format!("{name}.bias"), &[size])
        } else {
            Ok(vec![0.0; size])
        }
    }

    /// A layer normalization with `name.weight` and `name.bias`, which files of an older format call `gamma` and
    /// `beta`.
    pub(crate) fn norm(&self, name: &str, size: usize, epsilon: f32) -> Result<Norm, LoadError> {
        let is_old = self.has(&format!("{}{name}.gamma", self.prefix));
        let [scale, shift] = if is_old { ["gamma", "beta"] } else { ["weight", "bias"] };
        Ok(Norm {
            scale: self.get(&format!("{name}.{scale}"), &[size])?,
            shift: self.get(&format!("{name}.{shift}"), &[size])?,
            epsilon,
        })
    }
}

fn numbers<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|bytes| read(*bytes)).collect()
}

//! Why a model is not loaded, or a text not embedded.

/// Why [`Encoder::load`](crate::Encoder::load) loaded nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes are not in the safetensors format.
    #[error("the weights are not in the safetensors format: {0}")]
    Format(#[from] safetensors::SafeTensorError),
    /// No file has a tensor that a model of this family has.
    #[error("the weights have no tensor `{name}`")]
    Missing {
        /// The tensor.
        name: String,
    },
    /// A tensor is not as long or as wide as `config.json` says.
    #[error("the tensor `{name}` has the shape {found:?}; config.json asks for {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that the configuration leads to.
        expected: Vec<usize>,
    },
    /// A tensor's numbers are of a type that is not supported.
    #[error("the tensor `{name}` holds numbers of type {dtype}; F32, F16, BF16, F64 and I8 are read")]
    Type {
        /// The tensor.
        name: String,
        /// The type.
        dtype: String,
    },
    /// The model does something that is not built here.
    #[error("config.json has {key}: {value}, which does not run here")]
    Unsupported {
        /// The key in `config.json`.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// The sizes in `config.json` do not fit together.
    #[error(
        "config.json has hidden_size {hidden_size}, num_attention_heads {num_attention_heads} and intermediate_size \
         {intermediate_size}: none may be 0, and the first has to be a multiple of the second"
    )]
    Sizes {
        /// The length of a token's vector.
        hidden_size: usize,
        /// The number of heads.
        num_attention_heads: usize,
        /// The length of a token's vector between the two halves of a layer.
        intermediate_size: usize,
    },
}

impl LoadError {
    pub(crate) fn unsupported(key: &'static str, value: &str) -> Self {
        Self::Unsupported {
            key,
            value: value.to_owned(),
        }
    }
}

/// Why [`Encoder::embed`](crate::Encoder::embed) embedded nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A token is not in the model's vocabulary.
    #[error("the model has no token {token}: its tokenizer.json belongs to another model")]
    Token {
        /// The token.
        token: u32,
    },
    /// A text has more tokens than the model has positions for, or no token at all.
    #[error("a text has {tokens} tokens; the model reads 1 to {positions}")]
    Length {
        /// The text's number of tokens.
        tokens: usize,
        /// The model's number of positions.
        positions: usize,
    },
}

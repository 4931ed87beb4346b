//! What `config.json` says about a model.

use serde::Deserialize;

/// The numbers in `config.json` that the encoder needs. Other keys of the file are ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Config {
    /// The number of tokens that the model knows.
    pub vocab_size: usize,
    /// The length of a token's vector.
    pub hidden_size: usize,
    /// The number of layers.
    pub num_hidden_layers: usize,
    /// The number of attention heads. `hidden_size` is a multiple of it.
    pub num_attention_heads: usize,
    /// The length of a token's vector between the two halves of a layer.
    pub intermediate_size: usize,
    /// The function between the two halves of a layer.
    pub hidden_act: Activation,
    /// The most tokens of a text.
    pub max_position_embeddings: usize,
    /// The number of token types.
    pub type_vocab_size: usize,
    /// What is added to a variance before it divides.
    pub layer_norm_eps: f32,
    /// How positions are encoded.
    #[serde(default)]
    pub position_embedding_type: PositionEmbedding,
}

/// The functions that the encoder has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Activation {
    /// The exact one, with the error function.
    Gelu,
    /// `max(x, 0)`.
    Relu,
}

/// How the encoder learns where a token stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PositionEmbedding {
    /// Each position has a vector, which is added to the token's.
    #[default]
    Absolute,
}

/// How the vector of a text is made of the vectors of its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first token's vector.
    Cls,
}

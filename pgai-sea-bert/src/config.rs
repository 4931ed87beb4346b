//! What `config.json` says about a model.

use serde::Deserialize;

use crate::family::{bert, distilbert, modernbert, mpnet, nomic};

/// A model's `config.json`.
///
/// Its `model_type` says which family the model is of: one of [`MODEL_TYPES`](Self::MODEL_TYPES). Keys that the encoder
/// does not need are ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Config(pub(crate) Family);

/// The families, each with its own names of keys and tensors.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "model_type")]
pub(crate) enum Family {
    #[serde(rename = "bert")]
    Bert(bert::Keys),
    /// RoBERTa and its likes in other languages have BERT's tensors.
    #[serde(rename = "roberta", alias = "xlm-roberta", alias = "camembert")]
    Roberta(bert::Keys),
    #[serde(rename = "distilbert")]
    DistilBert(distilbert::Keys),
    #[serde(rename = "mpnet")]
    Mpnet(mpnet::Keys),
    #[serde(rename = "nomic_bert")]
    Nomic(nomic::Keys),
    #[serde(rename = "modernbert")]
    ModernBert(modernbert::Keys),
}

/// The functions between the two halves of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Activation {
    /// The exact one, with the error function.
    Gelu,
    /// `max(x, 0)`.
    Relu,
    /// `x / (1 + exp(-x))`. In a gated layer it makes what is called SwiGLU.
    #[serde(alias = "swiglu", alias = "swish")]
    Silu,
}

impl Config {
    /// The values of `model_type` that run here.
    pub const MODEL_TYPES: [&'static str; 8] = [
        "bert",
        "roberta",
        "xlm-roberta",
        "camembert",
        "distilbert",
        "mpnet",
        "nomic_bert",
        "modernbert",
    ];

    /// The length of a token's vector.
    #[must_use]
    pub fn hidden_size(&self) -> usize {
        match &self.0 {
            Family::Bert(keys) | Family::Roberta(keys) => keys.hidden_size,
            Family::DistilBert(keys) => keys.dim,
            Family::Mpnet(keys) => keys.hidden_size,
            Family::Nomic(keys) => keys.hidden_size,
            Family::ModernBert(keys) => keys.hidden_size,
        }
    }

    /// The most tokens of a text, with the special ones.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        match &self.0 {
            Family::Bert(keys) => keys.max_position_embeddings,
            Family::Roberta(keys) => keys.roberta_tokens(),
            Family::DistilBert(keys) => keys.max_position_embeddings,
            Family::Mpnet(keys) => keys.max_tokens(),
            Family::Nomic(keys) => keys.max_position_embeddings,
            Family::ModernBert(keys) => keys.max_position_embeddings,
        }
    }
}

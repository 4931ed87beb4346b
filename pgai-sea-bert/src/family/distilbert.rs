//! DistilBERT: BERT with fewer layers, without token types.

use serde::Deserialize;

use super::{check_sizes, side_by_side};
use crate::LoadError;
use crate::attention::Sight;
use crate::config::Activation;
use crate::encoder::{Encoder, Positions};
use crate::layer::{Layer, Norms};
use crate::weights::Weights;

/// `config.json` does not say it.
const EPSILON: f32 = 1e-12;

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Keys {
    vocab_size: usize,
    pub(crate) dim: usize,
    n_layers: usize,
    n_heads: usize,
    hidden_dim: usize,
    activation: Activation,
    pub(crate) max_position_embeddings: usize,
}

impl Keys {
    pub(crate) fn load(&self, weights: Weights<'_>) -> Result<Encoder, LoadError> {
        check_sizes(self.dim, self.n_heads, self.hidden_dim)?;
        let weights = weights.prefixed("distilbert.", "embeddings.word_embeddings.weight");
        let table = |name: &str, rows| weights.get(&format!("embeddings.{name}_embeddings.weight"), &[rows, self.dim]);
        Ok(Encoder {
            words: table("word", self.vocab_size)?,
            second_type: Vec::new(),
            positions: Some(Positions {
                rows: table("position", self.max_position_embeddings)?,
                first: 0,
                padding: None,
            }),
            max_tokens: self.max_position_embeddings,
            norm: weights.norm("embeddings.LayerNorm", self.dim, EPSILON)?,
            layers: (0..self.n_layers)
                .map(|layer| self.layer(&weights, &format!("transformer.layer.{layer}")))
                .collect::<Result<_, _>>()?,
            final_norm: None,
            hidden: self.dim,
            heads: self.n_heads,
        })
    }

    fn layer(&self, weights: &Weights<'_>, name: &str) -> Result<Layer, LoadError> {
        let (hidden, between) = (self.dim, self.hidden_dim);
        let parts = ["q_lin", "k_lin", "v_lin"].map(|part| format!("{name}.attention.{part}"));
        let linear = |part: &str, from, to| weights.linear(&format!("{name}.{part}"), from, to, true);
        let norm = |part: &str| weights.norm(&format!("{name}.{part}"), hidden, EPSILON);
        Ok(Layer {
            attention: side_by_side(weights, parts, hidden, self.n_heads)?,
            attention_output: linear("attention.out_lin", hidden, hidden)?,
            sight: Sight::default(),
            intermediate: linear("ffn.lin1", hidden, between)?,
            activation: self.activation,
            is_gated: false,
            output: linear("ffn.lin2", between, hidden)?,
            norms: Norms::After {
                attention: norm("sa_layer_norm")?,
                output: norm("output_layer_norm")?,
            },
        })
    }
}

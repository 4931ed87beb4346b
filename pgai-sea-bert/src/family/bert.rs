//! BERT, and RoBERTa in all languages: MiniLM, BGE, E5, GTE, BGE-M3's dense part.

use serde::Deserialize;

use super::{add_types, check_sizes, side_by_side};
use crate::LoadError;
use crate::attention::Sight;
use crate::config::Activation;
use crate::encoder::{Encoder, Positions};
use crate::layer::{Layer, Norms};
use crate::weights::Weights;

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Keys {
    pub(crate) vocab_size: usize,
    pub(crate) hidden_size: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) hidden_act: Activation,
    pub(crate) max_position_embeddings: usize,
    pub(crate) type_vocab_size: usize,
    pub(crate) layer_norm_eps: f32,
    #[serde(default)]
    pub(crate) position_embedding_type: Option<String>,
    #[serde(default)]
    pub(crate) pad_token_id: Option<u32>,
}

impl Keys {
    /// RoBERTa counts positions from the padding's number on, which stands for no position.
    pub(crate) fn roberta_tokens(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.padding() as usize + 1)
    }

    pub(crate) fn padding(&self) -> u32 {
        self.pad_token_id.unwrap_or(1)
    }

    /// With `padding`, the positions of RoBERTa.
    pub(crate) fn load(&self, weights: Weights<'_>, padding: Option<u32>) -> Result<Encoder, LoadError> {
        let Self {
            hidden_size: hidden,
            num_attention_heads: heads,
            ..
        } = *self;
        check_sizes(hidden, heads, self.intermediate_size)?;
        if let Some(other) = self
            .position_embedding_type
            .as_deref()
            .filter(|kind| *kind != "absolute")
        {
            return Err(LoadError::unsupported("position_embedding_type", other));
        }
        let prefix = if padding.is_some() { "roberta." } else { "bert." };
        let weights = weights.prefixed(prefix, "embeddings.word_embeddings.weight");
        let table = |name: &str, rows| weights.get(&format!("embeddings.{name}_embeddings.weight"), &[rows, hidden]);
        let mut words = table("word", self.vocab_size)?;
        let second_type = add_types(&mut words, &table("token_type", self.type_vocab_size)?, hidden);
        Ok(Encoder {
            words,
            second_type,
            positions: Some(Positions {
                rows: table("position", self.max_position_embeddings)?,
                first: padding.map_or(0, |padding| padding as usize + 1),
                padding,
            }),
            max_tokens: padding.map_or(self.max_position_embeddings, |_| self.roberta_tokens()),
            norm: weights.norm("embeddings.LayerNorm", hidden, self.layer_norm_eps)?,
            layers: (0..self.num_hidden_layers)
                .map(|layer| self.layer(&weights, &format!("encoder.layer.{layer}")))
                .collect::<Result<_, _>>()?,
            final_norm: None,
            hidden,
            heads,
        })
    }

    fn layer(&self, weights: &Weights<'_>, name: &str) -> Result<Layer, LoadError> {
        let (hidden, between) = (self.hidden_size, self.intermediate_size);
        let parts = ["query", "key", "value"].map(|part| format!("{name}.attention.self.{part}"));
        let linear = |part: &str, from, to| weights.linear(&format!("{name}.{part}.dense"), from, to, true);
        let norm = |part: &str| weights.norm(&format!("{name}.{part}.LayerNorm"), hidden, self.layer_norm_eps);
        Ok(Layer {
            attention: side_by_side(weights, parts, hidden, self.num_attention_heads)?,
            attention_output: linear("attention.output", hidden, hidden)?,
            sight: Sight::default(),
            intermediate: linear("intermediate", hidden, between)?,
            activation: self.hidden_act,
            is_gated: false,
            output: linear("output", between, hidden)?,
            norms: Norms::After {
                attention: norm("attention.output")?,
                output: norm("output")?,
            },
        })
    }
}

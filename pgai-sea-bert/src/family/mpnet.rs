//! MPNet: all-mpnet-base-v2. Beside positions it has a bias for each distance between two tokens, equal in all layers.

use std::sync::Arc;

use serde::Deserialize;

use super::{check_sizes, side_by_side};
use crate::LoadError;
use crate::attention::{RelativeBias, Sight};
use crate::config::Activation;
use crate::encoder::{Encoder, Positions};
use crate::layer::{Layer, Norms};
use crate::weights::Weights;

/// The row of the padding's position: those of tokens come after it, whatever `pad_token_id` is.
const PADDING: u32 = 1;
/// From this distance on all are alike.
const FAR: f32 = 128.0;

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Keys {
    vocab_size: usize,
    pub(crate) hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: Activation,
    max_position_embeddings: usize,
    #[serde(default = "layer_norm_eps")]
    layer_norm_eps: f32,
    #[serde(default = "buckets")]
    relative_attention_num_buckets: usize,
}

fn layer_norm_eps() -> f32 {
    1e-12
}

fn buckets() -> usize {
    32
}

impl Keys {
    pub(crate) fn max_tokens(&self) -> usize {
        self.max_position_embeddings.saturating_sub(PADDING as usize + 1)
    }

    pub(crate) fn load(&self, weights: Weights<'_>) -> Result<Encoder, LoadError> {
        let Self {
            hidden_size: hidden,
            num_attention_heads: heads,
            ..
        } = *self;
        check_sizes(hidden, heads, self.intermediate_size)?;
        let weights = weights.prefixed("mpnet.", "embeddings.word_embeddings.weight");
        let table = |name: &str, rows| weights.get(&format!("embeddings.{name}_embeddings.weight"), &[rows, hidden]);
        let bias = Arc::new(self.bias(&weights)?);
        Ok(Encoder {
            words: table("word", self.vocab_size)?,
            second_type: Vec::new(),
            positions: Some(Positions {
                rows: table("position", self.max_position_embeddings)?,
                first: PADDING as usize + 1,
                padding: Some(PADDING),
            }),
            max_tokens: self.max_tokens(),
            norm: weights.norm("embeddings.LayerNorm", hidden, self.layer_norm_eps)?,
            layers: (0..self.num_hidden_layers)
                .map(|layer| self.layer(&weights, &format!("encoder.layer.{layer}"), &bias))
                .collect::<Result<_, _>>()?,
            final_norm: None,
            hidden,
            heads,
        })
    }

    fn bias(&self, weights: &Weights<'_>) -> Result<RelativeBias, LoadError> {
        let (heads, buckets) = (self.num_attention_heads, self.relative_attention_num_buckets);
        let table = weights.get("encoder.relative_attention_bias.weight", &[buckets, heads])?;
        let positions = self.max_tokens();
        // keys before the query, from the farthest, the query itself, and keys after it
        let before = (1..positions).rev().map(|distance| bucket(distance, buckets / 2));
        let after = (0..positions).map(|distance| match distance {
            0 => 0,
            _ => buckets / 2 + bucket(distance, buckets / 2),
        });
        let distances: Vec<usize> = before.chain(after).collect();
        let of_head = |head| distances.iter().map(move |bucket| bucket * heads + head);
        Ok(RelativeBias {
            numbers: (0..heads).flat_map(of_head).map(|place| table[place]).collect(),
            positions,
        })
    }

    fn layer(&self, weights: &Weights<'_>, name: &str, bias: &Arc<RelativeBias>) -> Result<Layer, LoadError> {
        let (hidden, between) = (self.hidden_size, self.intermediate_size);
        let parts = ["q", "k", "v"].map(|part| format!("{name}.attention.attn.{part}"));
        let linear = |part: &str, from, to| weights.linear(&format!("{name}.{part}"), from, to, true);
        let norm = |part: &str| weights.norm(&format!("{name}.{part}.LayerNorm"), hidden, self.layer_norm_eps);
        Ok(Layer {
            attention: side_by_side(weights, parts, hidden, self.num_attention_heads)?,
            attention_output: linear("attention.attn.o", hidden, hidden)?,
            sight: Sight {
                bias: Some(Arc::clone(bias)),
                ..Sight::default()
            },
            intermediate: linear("intermediate.dense", hidden, between)?,
            activation: self.hidden_act,
            is_gated: false,
            output: linear("output.dense", between, hidden)?,
            norms: Norms::After {
                attention: norm("attention")?,
                output: norm("output")?,
            },
        })
    }
}

/// The bucket of a distance, of so many for one direction: half of them for one distance each, then ever wider ones.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "distances are small, and truncating is what numbers the buckets"
)]
fn bucket(distance: usize, buckets: usize) -> usize {
    let exact = buckets / 2;
    if distance < exact {
        return distance;
    }
    let share = (distance as f32 / exact as f32).ln() / (FAR / exact as f32).ln();
    (exact + (share * (buckets - exact) as f32) as usize).min(buckets - 1)
}

//! ModernBERT: gte-modernbert, modernbert-embed. Most layers see the neighbours of a token only, and all are gated.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::nomic::Rope;
use super::{check_sizes, in_one};
use crate::LoadError;
use crate::attention::{Rotary, Sight};
use crate::config::Activation;
use crate::encoder::Encoder;
use crate::layer::{Layer, Norms};
use crate::math::Norm;
use crate::weights::Weights;

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Keys {
    vocab_size: usize,
    pub(crate) hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_activation: Activation,
    pub(crate) max_position_embeddings: usize,
    norm_eps: f32,
    local_attention: usize,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    norm_bias: bool,
    /// Which layers see all tokens, in files of transformers 4.
    #[serde(default)]
    global_attn_every_n_layers: Option<usize>,
    #[serde(default)]
    global_rope_theta: Option<f32>,
    #[serde(default)]
    local_rope_theta: Option<f32>,
    /// The same in files of transformers 5.
    #[serde(default)]
    layer_types: Option<Vec<LayerType>>,
    #[serde(default)]
    rope_parameters: BTreeMap<LayerType, Rope>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum LayerType {
    #[serde(rename = "full_attention")]
    Full,
    #[serde(rename = "sliding_attention")]
    Sliding,
}

impl Keys {
    pub(crate) fn load(&self, weights: Weights<'_>) -> Result<Encoder, LoadError> {
        let hidden = self.hidden_size;
        check_sizes(hidden, self.num_attention_heads, self.intermediate_size)?;
        self.rope_parameters.values().try_for_each(Rope::check)?;
        let weights = weights.prefixed("model.", "embeddings.tok_embeddings.weight");
        let full = self.sight(LayerType::Full, self.global_rope_theta, 160_000.0);
        let sliding = self.sight(LayerType::Sliding, self.local_rope_theta, 10_000.0);
        let layer = |layer| {
            let sight = match self.layer_type(layer) {
                LayerType::Full => &full,
                LayerType::Sliding => &sliding,
            };
            self.layer(&weights, layer, sight.clone())
        };
        Ok(Encoder {
            words: weights.get("embeddings.tok_embeddings.weight", &[self.vocab_size, hidden])?,
            second_type: Vec::new(),
            positions: None,
            max_tokens: self.max_position_embeddings,
            norm: self.norm(&weights, "embeddings.norm")?,
            layers: (0..self.num_hidden_layers).map(layer).collect::<Result<_, _>>()?,
            final_norm: Some(self.norm(&weights, "final_norm")?),
            hidden,
            heads: self.num_attention_heads,
        })
    }

    fn layer_type(&self, layer: usize) -> LayerType {
        if let Some(layer_type) = self.layer_types.as_ref().and_then(|types| types.get(layer)) {
            return *layer_type;
        }
        let every = self.global_attn_every_n_layers.unwrap_or(3).max(1);
        if layer.is_multiple_of(every) {
            LayerType::Full
        } else {
            LayerType::Sliding
        }
    }

    fn sight(&self, layer_type: LayerType, theta: Option<f32>, default: f32) -> Sight {
        let named = self.rope_parameters.get(&layer_type).and_then(|rope| rope.rope_theta);
        let theta = named.or(theta).unwrap_or(default);
        let size = self.hidden_size / self.num_attention_heads;
        Sight {
            rotary: Some(Arc::new(Rotary::new(size, theta, self.max_position_embeddings))),
            window: (layer_type == LayerType::Sliding).then_some(self.local_attention / 2),
            bias: None,
        }
    }

    fn norm(&self, weights: &Weights<'_>, name: &str) -> Result<Norm, LoadError> {
        Ok(Norm {
            scale: weights.get(&format!("{name}.weight"), &[self.hidden_size])?,
            shift: weights.bias(name, self.hidden_size, self.norm_bias)?,
            epsilon: self.norm_eps,
        })
    }

    fn layer(&self, weights: &Weights<'_>, layer: usize, sight: Sight) -> Result<Layer, LoadError> {
        let (hidden, between) = (self.hidden_size, self.intermediate_size);
        let linear = |part: &str, from, to, bias| weights.linear(&format!("layers.{layer}.{part}"), from, to, bias);
        let norm = |part: &str| self.norm(weights, &format!("layers.{layer}.{part}"));
        Ok(Layer {
            attention: in_one(
                weights,
                &format!("layers.{layer}.attn.Wqkv"),
                (hidden, self.num_attention_heads),
                self.attention_bias,
            )?,
            attention_output: linear("attn.Wo", hidden, hidden, self.attention_bias)?,
            sight,
            // the half to activate comes first
            intermediate: linear("mlp.Wi", hidden, 2 * between, self.mlp_bias)?,
            activation: self.hidden_activation,
            is_gated: true,
            output: linear("mlp.Wo", between, hidden, self.mlp_bias)?,
            norms: Norms::Before {
                // the first layer begins with what the embeddings' norm made
                attention: (layer > 0).then(|| norm("attn_norm")).transpose()?,
                network: norm("mlp_norm")?,
            },
        })
    }
}

//! Nomic's BERT: nomic-embed-text. Positions are rotations, and layers are gated.

use std::sync::Arc;

use serde::Deserialize;

use super::{add_types, check_sizes, in_one};
use crate::LoadError;
use crate::attention::{Rotary, Sight};
use crate::config::Activation;
use crate::encoder::Encoder;
use crate::layer::{Layer, Linear, Norms};
use crate::weights::Weights;

/// With the names that the model's authors gave them, or those of transformers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the file has them")]
pub(crate) struct Keys {
    vocab_size: usize,
    #[serde(alias = "n_embd")]
    pub(crate) hidden_size: usize,
    #[serde(alias = "n_layer")]
    num_hidden_layers: usize,
    #[serde(alias = "n_head")]
    num_attention_heads: usize,
    #[serde(alias = "n_inner")]
    intermediate_size: usize,
    #[serde(alias = "activation_function")]
    hidden_act: Activation,
    #[serde(alias = "n_positions")]
    pub(crate) max_position_embeddings: usize,
    type_vocab_size: usize,
    #[serde(alias = "layer_norm_epsilon")]
    layer_norm_eps: f32,
    #[serde(default)]
    rotary_emb_base: Option<f32>,
    #[serde(default)]
    rope_parameters: Option<Rope>,
    // what other models of the family do, and this encoder does not
    #[serde(default)]
    prenorm: bool,
    #[serde(default)]
    use_rms_norm: bool,
    #[serde(default)]
    qkv_proj_bias: bool,
    #[serde(default)]
    mlp_fc1_bias: bool,
    #[serde(default)]
    mlp_fc2_bias: bool,
    #[serde(default)]
    rotary_emb_interleaved: bool,
    #[serde(default)]
    rotary_emb_fraction: Option<f32>,
    #[serde(default)]
    rotary_scaling_factor: Option<f32>,
    #[serde(default)]
    num_experts: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Rope {
    pub(super) rope_theta: Option<f32>,
    pub(super) rope_type: Option<String>,
}

impl Rope {
    pub(super) fn check(&self) -> Result<(), LoadError> {
        match self.rope_type.as_deref() {
            None | Some("default") => Ok(()),
            Some(other) => Err(LoadError::unsupported("rope_type", other)),
        }
    }
}

impl Keys {
    pub(crate) fn load(&self, weights: Weights<'_>) -> Result<Encoder, LoadError> {
        self.check()?;
        let hidden = self.hidden_size;
        let heads = self.num_attention_heads;
        let weights = weights.prefixed("nomic_bert.", "embeddings.word_embeddings.weight");
        let table = |name: &str, rows| weights.get(&format!("embeddings.{name}_embeddings.weight"), &[rows, hidden]);
        let mut words = table("word", self.vocab_size)?;
        let second_type = add_types(&mut words, &table("token_type", self.type_vocab_size)?, hidden);
        let theta = self.rope_parameters.as_ref().and_then(|rope| rope.rope_theta);
        let theta = theta.or(self.rotary_emb_base).unwrap_or(1000.0);
        let rotary = Arc::new(Rotary::new(hidden / heads, theta, self.max_position_embeddings));
        Ok(Encoder {
            words,
            second_type,
            positions: None,
            max_tokens: self.max_position_embeddings,
            norm: weights.norm("emb_ln", hidden, self.layer_norm_eps)?,
            layers: (0..self.num_hidden_layers)
                .map(|layer| self.layer(&weights, &format!("encoder.layers.{layer}"), &rotary))
                .collect::<Result<_, _>>()?,
            final_norm: None,
            hidden,
            heads,
        })
    }

    fn check(&self) -> Result<(), LoadError> {
        check_sizes(self.hidden_size, self.num_attention_heads, self.intermediate_size)?;
        for (key, is_on) in [
            ("prenorm", self.prenorm),
            ("use_rms_norm", self.use_rms_norm),
            ("qkv_proj_bias", self.qkv_proj_bias),
            ("mlp_fc1_bias", self.mlp_fc1_bias),
            ("mlp_fc2_bias", self.mlp_fc2_bias),
            ("rotary_emb_interleaved", self.rotary_emb_interleaved),
        ] {
            if is_on {
                return Err(LoadError::unsupported(key, "true"));
            }
        }
        if let Some(experts) = self.num_experts.filter(|experts| *experts > 0) {
            return Err(LoadError::unsupported("num_experts", &experts.to_string()));
        }
        if let Some(fraction) = self.rotary_emb_fraction.filter(|fraction| *fraction < 1.0) {
            return Err(LoadError::unsupported("rotary_emb_fraction", &fraction.to_string()));
        }
        if let Some(factor) = self.rotary_scaling_factor {
            return Err(LoadError::unsupported("rotary_scaling_factor", &factor.to_string()));
        }
        self.rope_parameters.as_ref().map_or(Ok(()), Rope::check)
    }

    fn layer(&self, weights: &Weights<'_>, name: &str, rotary: &Arc<Rotary>) -> Result<Layer, LoadError> {
        let (hidden, between) = (self.hidden_size, self.intermediate_size);
        let linear = |part: &str, from, to| weights.linear(&format!("{name}.{part}"), from, to, false);
        let norm = |part: &str| weights.norm(&format!("{name}.{part}"), hidden, self.layer_norm_eps);
        let half = |part: &str| weights.get(&format!("{name}.mlp.{part}.weight"), &[between, hidden]);
        Ok(Layer {
            attention: in_one(
                weights,
                &format!("{name}.attn.Wqkv"),
                (hidden, self.num_attention_heads),
                false,
            )?,
            attention_output: linear("attn.out_proj", hidden, hidden)?,
            sight: Sight {
                rotary: Some(Arc::clone(rotary)),
                ..Sight::default()
            },
            intermediate: Linear::new(&[half("fc12")?, half("fc11")?].concat(), vec![0.0; 2 * between], hidden),
            activation: self.hidden_act,
            is_gated: true,
            output: linear("mlp.fc2", between, hidden)?,
            norms: Norms::After {
                attention: norm("norm1")?,
                output: norm("norm2")?,
            },
        })
    }
}

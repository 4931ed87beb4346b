//! candle's BERT, and the pooling that makes one vector of a text's tokens.

use candle_core::{DType, Device, IndexOp, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};

use super::files::Pooling;

/// The network.
pub(super) struct Bert(BertModel);

impl Bert {
    /// Reads the weights. `Err` if one is missing or has another shape than `config` says.
    pub(super) fn load(safetensors: Vec<u8>, config: &Config) -> Result<Self> {
        let weights = VarBuilder::from_buffered_safetensors(safetensors, DType::F32, &Device::Cpu)?;
        Ok(Self(BertModel::load(weights, config)?))
    }

    /// Embeds texts, given as tokens, with vectors of length 1. Texts of like length cost least: all are padded to the longest.
    pub(super) fn embed(&self, texts: &[&[u32]], pooling: Pooling) -> Result<Vec<Vec<f32>>> {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let padded = |value: fn(u32) -> u32| {
            let rows = texts.iter().flat_map(|text| {
                let padding = std::iter::repeat_n(0, longest - text.len());
                text.iter().map(move |token| value(*token)).chain(padding)
            });
            Tensor::from_iter(rows, &Device::Cpu)?.reshape((texts.len(), longest))
        };
        let tokens = padded(|token| token)?;
        let mask = padded(|_| 1)?;
        // a text of its own has no other token type than 0
        let states = self.0.forward(&tokens, &tokens.zeros_like()?, Some(&mask))?;
        let vectors = match pooling {
            Pooling::Mean => {
                let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
                states.broadcast_mul(&mask)?.sum(1)?.broadcast_div(&mask.sum(1)?)?
            }
            Pooling::Cls => states.i((.., 0))?,
        };
        let length = vectors.sqr()?.sum_keepdim(1)?.sqrt()?;
        vectors.broadcast_div(&length)?.to_vec2()
    }
}

//! The network with a head that judges pairs of texts.

use crate::config::Config;
use crate::encoder::{Encoder, Linear};
use crate::weights::Weights;
use crate::{EncodeError, LoadError};

/// A BERT model that reads two texts together and gives them one score (`BertForSequenceClassification` with one
/// label).
pub struct CrossEncoder {
    encoder: Encoder,
    /// Between the first token's state and the classifier.
    pooler: Linear,
    classifier: Vec<f32>,
    bias: f32,
}

/// Two texts as the model reads them: `[CLS] first [SEP] second [SEP]`.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'t> {
    /// The tokens of both.
    pub tokens: &'t [u32],
    /// Where the second text begins.
    pub second: usize,
}

impl CrossEncoder {
    /// Loads the model from the bytes of `model.safetensors`.
    ///
    /// # Errors
    ///
    /// As [`Encoder::load`]. A model of several labels has a `classifier.weight` of another shape.
    pub fn load(safetensors: &[u8], config: &Config) -> Result<Self, LoadError> {
        let hidden = config.hidden_size;
        let encoder = Encoder::load(safetensors, config)?;
        let weights = Weights::parse(safetensors)?;
        let bias = weights.get_outside("classifier.bias", &[1])?;
        Ok(Self {
            encoder,
            pooler: Linear::load(&weights, "pooler.dense", hidden, hidden)?,
            classifier: weights.get_outside("classifier.weight", &[1, hidden])?,
            bias: bias.first().copied().unwrap_or_default(),
        })
    }

    /// The score of each pair: any number, the larger the better.
    ///
    /// # Errors
    ///
    /// As [`Encoder::embed`].
    pub fn score(&self, pairs: &[Pair<'_>]) -> Result<Vec<f32>, EncodeError> {
        let texts: Vec<&[u32]> = pairs.iter().map(|pair| pair.tokens).collect();
        let seconds: Vec<usize> = pairs.iter().map(|pair| pair.second).collect();
        let states = self.encoder.states(&texts, Some(&seconds))?;
        let hidden = self.classifier.len();
        let mut rest = &states[..];
        let mut first = Vec::with_capacity(texts.len() * hidden);
        for text in &texts {
            first.extend_from_slice(&rest[..hidden]);
            rest = &rest[text.len() * hidden..];
        }
        let mut pooled = Vec::new();
        self.pooler.forward(&first, hidden, &mut pooled);
        let scores = pooled.chunks_exact(hidden).map(|row| {
            let weighted = row.iter().zip(&self.classifier).map(|(x, weight)| x.tanh() * weight);
            weighted.sum::<f32>() + self.bias
        });
        Ok(scores.collect())
    }
}

impl std::fmt::Debug for CrossEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrossEncoder")
            .field("encoder", &self.encoder)
            .finish_non_exhaustive()
    }
}

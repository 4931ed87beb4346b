//! The network with a head that judges pairs of texts.

use crate::config::{Config, Family};
use crate::encoder::Encoder;
use crate::layer::Linear;
use crate::weights::Weights;
use crate::{EncodeError, LoadError};

/// A BERT or RoBERTa model that reads two texts together and gives them one score (`..ForSequenceClassification` with
/// one label).
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
    /// Loads the model from the bytes of `model.safetensors`, or of all files of a model that is saved in several.
    ///
    /// # Errors
    ///
    /// As [`Encoder::load`]. A model of several labels has a classifier of another shape, and other families than BERT
    /// and RoBERTa have other heads.
    pub fn load<T: AsRef<[u8]>>(safetensors: &[T], config: &Config) -> Result<Self, LoadError> {
        let hidden = config.hidden_size();
        let weights = Weights::parse(safetensors)?;
        let (pooler, classifier) = match &config.0 {
            Family::Bert(_) => {
                let weights = Weights::parse(safetensors)?.prefixed("bert.", "pooler.dense.weight");
                (weights.linear("pooler.dense", hidden, hidden, true)?, "classifier")
            }
            Family::Roberta(_) => (
                weights.linear("classifier.dense", hidden, hidden, true)?,
                "classifier.out_proj",
            ),
            _ => {
                return Err(LoadError::unsupported(
                    "model_type",
                    "another than bert, roberta and its likes",
                ));
            }
        };
        let bias = weights.get_outside(&format!("{classifier}.bias"), &[1])?;
        Ok(Self {
            encoder: Encoder::load(safetensors, config)?,
            pooler,
            classifier: weights.get_outside(&format!("{classifier}.weight"), &[1, hidden])?,
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

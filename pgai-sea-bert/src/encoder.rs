//! The network.

use crate::attention::Work;
use crate::config::{Config, Family};
use crate::layer::Layer;
use crate::math::{Norm, add};
use crate::weights::Weights;
use crate::{EncodeError, LoadError, Pooling};

/// An encoder of one of the families that [`Config`] knows, with its weights.
pub struct Encoder {
    /// A row per token of the vocabulary, with the vector of token type 0 added: a text of its own has no other.
    pub(crate) words: Vec<f32>,
    /// What the vector of token type 1 has more than that of type 0. Empty if the model has one type.
    pub(crate) second_type: Vec<f32>,
    /// Nothing where layers rotate by positions.
    pub(crate) positions: Option<Positions>,
    pub(crate) max_tokens: usize,
    pub(crate) norm: Norm,
    pub(crate) layers: Vec<Layer>,
    pub(crate) final_norm: Option<Norm>,
    pub(crate) hidden: usize,
    pub(crate) heads: usize,
}

/// A vector for each position.
pub(crate) struct Positions {
    pub(crate) rows: Vec<f32>,
    /// The first token's row.
    pub(crate) first: usize,
    /// The token that has the row before it, wherever it stands, and is not counted.
    pub(crate) padding: Option<u32>,
}

impl Encoder {
    /// Loads the model from the bytes of `model.safetensors`, or of all files of a model that is saved in several.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if a tensor is missing or has another shape than `config` says.
    pub fn load<T: AsRef<[u8]>>(safetensors: &[T], config: &Config) -> Result<Self, LoadError> {
        let weights = Weights::parse(safetensors)?;
        match &config.0 {
            Family::Bert(keys) => keys.load(weights, None),
            Family::Roberta(keys) => keys.load(weights, Some(keys.padding())),
            Family::DistilBert(keys) => keys.load(weights),
            Family::Mpnet(keys) => keys.load(weights),
            Family::Nomic(keys) => keys.load(weights),
            Family::ModernBert(keys) => keys.load(weights),
        }
    }

    /// Embeds texts, given as tokens. The vectors have the length that the model gives them.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if a token is not in the vocabulary, or a text has no tokens or too many.
    pub fn embed<T: AsRef<[u32]>>(&self, texts: &[T], pooling: Pooling) -> Result<Vec<Vec<f32>>, EncodeError> {
        let texts: Vec<&[u32]> = texts.iter().map(AsRef::as_ref).collect();
        let states = self.states(&texts, None)?;
        let mut rest = &states[..];
        let vectors = texts.iter().map(|text| {
            let (tokens, after) = rest.split_at(text.len() * self.hidden);
            rest = after;
            pooling.of(tokens, self.hidden)
        });
        Ok(vectors.collect())
    }

    /// What the last layer ends with: a row per token of all texts, end to end. `seconds` has where in each text the
    /// tokens of type 1 begin.
    pub(crate) fn states(&self, texts: &[&[u32]], seconds: Option<&[usize]>) -> Result<Vec<f32>, EncodeError> {
        let mut states = self.embeddings(texts, seconds)?;
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let mut work = Work::default();
        for layer in &self.layers {
            layer.forward(&mut states, &lengths, self.heads, &mut work);
        }
        if let Some(norm) = &self.final_norm {
            norm.apply_to_rows(&mut states);
        }
        Ok(states)
    }

    /// What the first layer begins with.
    fn embeddings(&self, texts: &[&[u32]], seconds: Option<&[usize]>) -> Result<Vec<f32>, EncodeError> {
        let tokens: usize = texts.iter().map(|text| text.len()).sum();
        let mut states = Vec::with_capacity(tokens * self.hidden);
        for (number, text) in texts.iter().enumerate() {
            if text.is_empty() || text.len() > self.max_tokens {
                return Err(EncodeError::Length {
                    tokens: text.len(),
                    positions: self.max_tokens,
                });
            }
            let start = states.len();
            for &token in *text {
                let word = self.words.chunks_exact(self.hidden).nth(token as usize);
                states.extend_from_slice(word.ok_or(EncodeError::Token { token })?);
            }
            let rows = &mut states[start..];
            if let Some(positions) = &self.positions {
                positions.add(rows, text, self.hidden);
            }
            if let Some(second) = seconds.map(|seconds| seconds[number]) {
                for row in rows.chunks_exact_mut(self.hidden).skip(second) {
                    add(row, &self.second_type);
                }
            }
        }
        self.norm.apply_to_rows(&mut states);
        Ok(states)
    }
}

impl Positions {
    fn add(&self, states: &mut [f32], text: &[u32], hidden: usize) {
        let mut next = self.first;
        for (row, &token) in states.chunks_exact_mut(hidden).zip(text) {
            let position = if self.padding == Some(token) {
                self.first - 1
            } else {
                next += 1;
                next - 1
            };
            add(row, &self.rows[position * hidden..]);
        }
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("hidden_size", &self.hidden)
            .field("num_hidden_layers", &self.layers.len())
            .finish_non_exhaustive()
    }
}

//! The network.

use crate::config::{Activation, Config, Pooling};
use crate::math::{Norm, activate, add_and_normalize, softmax, to_unit};
use crate::matrix::{Panels, Rows};
use crate::weights::Weights;
use crate::{EncodeError, LoadError};

/// A BERT encoder with its weights.
pub struct Encoder {
    /// A row per token of the vocabulary.
    words: Vec<f32>,
    /// A row per position, with the vector of token type 0 added: a text of its own has no other.
    positions: Vec<f32>,
    /// What the vector of token type 1 has more than that of type 0. Empty if the model has one type.
    second_type: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    hidden: usize,
    heads: usize,
}

struct Layer {
    /// Query, key and value side by side.
    attention: Linear,
    attention_output: Linear,
    attention_norm: Norm,
    intermediate: Linear,
    activation: Activation,
    output: Linear,
    output_norm: Norm,
}

/// A product with weights, and a bias.
pub(crate) struct Linear {
    weights: Panels,
    bias: Vec<f32>,
}

impl Encoder {
    /// Loads the model from the bytes of `model.safetensors`.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if a tensor is missing or has another shape than `config` says.
    pub fn load(safetensors: &[u8], config: &Config) -> Result<Self, LoadError> {
        let hidden = config.hidden_size;
        let heads = config.num_attention_heads;
        if hidden == 0 || heads == 0 || !hidden.is_multiple_of(heads) || config.intermediate_size == 0 {
            return Err(LoadError::Sizes {
                hidden_size: hidden,
                num_attention_heads: heads,
                intermediate_size: config.intermediate_size,
            });
        }
        let weights = Weights::parse(safetensors)?;
        let table = |name: &str, rows| weights.get(&format!("embeddings.{name}_embeddings.weight"), &[rows, hidden]);
        let types = table("token_type", config.type_vocab_size)?;
        let mut positions = table("position", config.max_position_embeddings)?;
        for position in positions.chunks_exact_mut(hidden) {
            position.iter_mut().zip(&types).for_each(|(x, y)| *x += y);
        }
        let second_type = types.get(hidden..2 * hidden).unwrap_or_default();
        Ok(Self {
            second_type: second_type
                .iter()
                .zip(&types)
                .map(|(second, first)| second - first)
                .collect(),
            words: table("word", config.vocab_size)?,
            positions,
            norm: Norm::load(&weights, "embeddings.LayerNorm", config)?,
            layers: (0..config.num_hidden_layers)
                .map(|layer| Layer::load(&weights, &format!("encoder.layer.{layer}"), config))
                .collect::<Result<_, _>>()?,
            hidden,
            heads,
        })
    }

    /// Embeds texts, given as tokens, with vectors of length 1.
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
            let mut vector = tokens[..self.hidden].to_vec();
            if pooling == Pooling::Mean {
                // the sum points the same way
                for token in tokens[self.hidden..].chunks_exact(self.hidden) {
                    vector.iter_mut().zip(token).for_each(|(x, y)| *x += y);
                }
            }
            to_unit(&mut vector);
            vector
        });
        Ok(vectors.collect())
    }

    /// What the last layer ends with: a row per token of all texts, end to end. `seconds` has where in each text the
    /// tokens of type 1 begin.
    pub(crate) fn states(&self, texts: &[&[u32]], seconds: Option<&[usize]>) -> Result<Vec<f32>, EncodeError> {
        let mut states = self.embeddings(texts, seconds)?;
        let mut work = Work::default();
        for layer in &self.layers {
            layer.forward(&mut states, texts, self.heads, &mut work);
        }
        Ok(states)
    }

    /// What the first layer begins with.
    fn embeddings(&self, texts: &[&[u32]], seconds: Option<&[usize]>) -> Result<Vec<f32>, EncodeError> {
        let positions = self.positions.len() / self.hidden;
        let tokens: usize = texts.iter().map(|text| text.len()).sum();
        let mut states = Vec::with_capacity(tokens * self.hidden);
        for text in texts {
            if text.is_empty() || text.len() > positions {
                return Err(EncodeError::Length {
                    tokens: text.len(),
                    positions,
                });
            }
            for (&token, position) in text.iter().zip(self.positions.chunks_exact(self.hidden)) {
                let word = self.words.chunks_exact(self.hidden).nth(token as usize);
                let word = word.ok_or(EncodeError::Token { token })?;
                states.extend(word.iter().zip(position).map(|(x, y)| x + y));
            }
        }
        let mut rest = &mut states[..];
        for (text, second) in texts.iter().zip(seconds.unwrap_or_default()) {
            let (own, after) = std::mem::take(&mut rest).split_at_mut(text.len() * self.hidden);
            for row in own.chunks_exact_mut(self.hidden).skip(*second) {
                row.iter_mut().zip(&self.second_type).for_each(|(x, y)| *x += y);
            }
            rest = after;
        }
        for row in states.chunks_exact_mut(self.hidden) {
            self.norm.apply(row);
        }
        Ok(states)
    }
}

/// What a layer works in, kept for the next one.
#[derive(Default)]
struct Work {
    attention: Vec<f32>,
    context: Vec<f32>,
    intermediate: Vec<f32>,
    output: Vec<f32>,
    keys: Panels,
    values: Panels,
    scores: Vec<f32>,
}

impl Layer {
    fn load(weights: &Weights<'_>, name: &str, config: &Config) -> Result<Self, LoadError> {
        let hidden = config.hidden_size;
        let intermediate = config.intermediate_size;
        let mut attention = [Vec::new(), Vec::new()];
        for part in ["query", "key", "value"] {
            let name = format!("{name}.attention.self.{part}");
            let mut read = [
                weights.get(&format!("{name}.weight"), &[hidden, hidden])?,
                weights.get(&format!("{name}.bias"), &[hidden])?,
            ];
            if part == "query" {
                // here once instead of in every score
                #[expect(clippy::cast_precision_loss, reason = "a head has a hundred numbers or so")]
                let scale = 1.0 / ((hidden / config.num_attention_heads) as f32).sqrt();
                read.iter_mut().flatten().for_each(|x| *x *= scale);
            }
            for (all, read) in attention.iter_mut().zip(read) {
                all.extend(read);
            }
        }
        let [attention, bias] = attention;
        let linear = |part: &str, from, to| Linear::load(weights, &format!("{name}.{part}.dense"), from, to);
        let norm = |part: &str| Norm::load(weights, &format!("{name}.{part}.LayerNorm"), config);
        Ok(Self {
            attention: Linear::new(&attention, bias, hidden),
            attention_output: linear("attention.output", hidden, hidden)?,
            attention_norm: norm("attention.output")?,
            intermediate: linear("intermediate", hidden, intermediate)?,
            activation: config.hidden_act,
            output: linear("output", intermediate, hidden)?,
            output_norm: norm("output")?,
        })
    }

    /// Turns the states of the tokens into those of the next layer.
    fn forward(&self, states: &mut Vec<f32>, texts: &[&[u32]], heads: usize, work: &mut Work) {
        let hidden = self.attention_output.bias.len();
        self.attention.forward(states, hidden, &mut work.attention);
        work.context.resize(states.len(), 0.0);
        let mut start = 0;
        for text in texts {
            for head in 0..heads {
                work.attend(start, text.len(), head * (hidden / heads), hidden / heads, hidden);
            }
            start += text.len();
        }
        self.attention_output.forward(&work.context, hidden, &mut work.output);
        add_and_normalize(&mut work.output, states, &self.attention_norm);
        self.intermediate.forward(&work.output, hidden, &mut work.intermediate);
        activate(self.activation, &mut work.intermediate);
        self.output
            .forward(&work.intermediate, self.intermediate.bias.len(), states);
        add_and_normalize(states, &work.output, &self.output_norm);
    }
}

impl Work {
    /// One head's attention within one text: of its `tokens` rows from `start`, the `size` columns from `column`.
    fn attend(&mut self, start: usize, tokens: usize, column: usize, size: usize, hidden: usize) {
        let stride = 3 * hidden; // query, key, value
        let attention = &self.attention[start * stride..];
        self.keys
            .set_columns(size, tokens, |token| &attention[token * stride + hidden + column..]);
        self.values
            .set_rows(tokens, size, |token| &attention[token * stride + 2 * hidden + column..]);
        self.scores.resize(tokens * tokens, 0.0);
        let queries = Rows {
            numbers: &attention[column..],
            count: tokens,
            stride,
        };
        self.keys.product(queries, None, &mut self.scores, tokens);
        softmax(&mut self.scores, tokens);
        let scores = Rows {
            numbers: &self.scores,
            count: tokens,
            stride: tokens,
        };
        self.values
            .product(scores, None, &mut self.context[start * hidden + column..], hidden);
    }
}

impl Linear {
    /// Of weights that hold a row per number of the result.
    fn new(weights: &[f32], bias: Vec<f32>, from: usize) -> Self {
        let mut panels = Panels::default();
        panels.set_columns(from, bias.len(), |column| &weights[column * from..]);
        Self { weights: panels, bias }
    }

    pub(crate) fn load(weights: &Weights<'_>, name: &str, from: usize, to: usize) -> Result<Self, LoadError> {
        let bias = weights.get(&format!("{name}.bias"), &[to])?;
        Ok(Self::new(
            &weights.get(&format!("{name}.weight"), &[to, from])?,
            bias,
            from,
        ))
    }

    /// Writes the result for each row of `width` numbers.
    pub(crate) fn forward(&self, rows: &[f32], width: usize, out: &mut Vec<f32>) {
        let rows = Rows {
            numbers: rows,
            count: rows.len() / width,
            stride: width,
        };
        out.resize(rows.count * self.bias.len(), 0.0);
        self.weights.product(rows, Some(&self.bias), out, self.bias.len());
    }
}

impl Norm {
    fn load(weights: &Weights<'_>, name: &str, config: &Config) -> Result<Self, LoadError> {
        let [scale, shift] = weights.norm(name, config.hidden_size)?;
        Ok(Self {
            scale,
            shift,
            epsilon: config.layer_norm_eps,
        })
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

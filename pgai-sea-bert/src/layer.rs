//! One layer of the network: attention, then a network of two halves for each token.

use crate::attention::{Sight, Work};
use crate::config::Activation;
use crate::math::{Norm, activate, activate_and_gate, add, add_and_normalize};
use crate::matrix::{Panels, Rows};

pub(crate) struct Layer {
    /// Query, key and value side by side. What a score is divided by is in the query.
    pub(crate) attention: Linear,
    pub(crate) attention_output: Linear,
    pub(crate) sight: Sight,
    pub(crate) intermediate: Linear,
    pub(crate) activation: Activation,
    /// Whether `intermediate` gives each number twice: one to activate, and one that is multiplied with it.
    pub(crate) is_gated: bool,
    pub(crate) output: Linear,
    pub(crate) norms: Norms,
}

/// Where a layer normalizes.
pub(crate) enum Norms {
    /// What attention and network end with, the residual added.
    After { attention: Norm, output: Norm },
    /// What they begin with. ModernBERT's first layer takes what is normalized already.
    Before { attention: Option<Norm>, network: Norm },
}

/// A product with weights, and a bias.
pub(crate) struct Linear {
    weights: Panels,
    bias: Vec<f32>,
}

impl Layer {
    /// Turns the states of the tokens into those of the next layer. `lengths` are those of the texts.
    pub(crate) fn forward(&self, states: &mut Vec<f32>, lengths: &[usize], heads: usize, work: &mut Work) {
        let hidden = self.attention_output.bias.len();
        match &self.norms {
            Norms::Before {
                attention: Some(norm), ..
            } => {
                norm.copy(states, &mut work.normalized);
                self.attention.forward(&work.normalized, hidden, &mut work.attention);
            }
            _ => self.attention.forward(states, hidden, &mut work.attention),
        }
        work.attend(&self.sight, lengths, heads, hidden);
        self.attention_output.forward(&work.context, hidden, &mut work.output);
        match &self.norms {
            Norms::After { attention, .. } => {
                add_and_normalize(&mut work.output, states, attention);
                self.intermediate.forward(&work.output, hidden, &mut work.intermediate);
            }
            Norms::Before { network, .. } => {
                add(&mut work.output, states);
                network.copy(&work.output, &mut work.normalized);
                self.intermediate
                    .forward(&work.normalized, hidden, &mut work.intermediate);
            }
        }
        let width = self.intermediate.bias.len();
        if self.is_gated {
            activate_and_gate(self.activation, &mut work.intermediate, width);
        } else {
            activate(self.activation, &mut work.intermediate);
        }
        self.output.forward(&work.intermediate, width, states);
        match &self.norms {
            Norms::After { output, .. } => add_and_normalize(states, &work.output, output),
            Norms::Before { .. } => add(states, &work.output),
        }
    }
}

impl Linear {
    /// Of weights that hold a row of `from` numbers per number of the result.
    pub(crate) fn new(weights: &[f32], bias: Vec<f32>, from: usize) -> Self {
        let mut panels = Panels::default();
        panels.set_columns(from, bias.len(), |column| &weights[column * from..]);
        Self { weights: panels, bias }
    }

    /// Writes the result for each row. A row begins every `stride` numbers, and may have more than are read.
    pub(crate) fn forward(&self, rows: &[f32], stride: usize, out: &mut Vec<f32>) {
        let rows = Rows {
            numbers: rows,
            count: rows.len() / stride,
            stride,
        };
        out.resize(rows.count * self.bias.len(), 0.0);
        self.weights.product(rows, Some(&self.bias), out, self.bias.len());
    }
}

//! What tokens learn from one another.

use std::sync::Arc;

use crate::math::softmax;
use crate::matrix::{Panels, Rows};

/// The queries that are compared at a time. The scores of a long text would not fit into memory, let alone a cache.
const BLOCK: usize = 96;

/// Which tokens a layer's tokens see, and how they know where those stand.
#[derive(Clone, Default)]
pub(crate) struct Sight {
    /// Queries and keys are rotated by their positions.
    pub(crate) rotary: Option<Arc<Rotary>>,
    /// What is added to a score, by head and distance.
    pub(crate) bias: Option<Arc<RelativeBias>>,
    /// A token sees so many tokens to either side. Otherwise all.
    pub(crate) window: Option<usize>,
}

/// Cosines and sines by position: half a head's size of either.
pub(crate) struct Rotary {
    cosines: Vec<f32>,
    sines: Vec<f32>,
    half: usize,
}

/// For each head the numbers of all distances from `1 - positions` to `positions - 1`.
pub(crate) struct RelativeBias {
    pub(crate) numbers: Vec<f32>,
    pub(crate) positions: usize,
}

/// What layers work in, kept for the next one.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) normalized: Vec<f32>,
    /// Query, key and value of each token.
    pub(crate) attention: Vec<f32>,
    pub(crate) context: Vec<f32>,
    pub(crate) intermediate: Vec<f32>,
    pub(crate) output: Vec<f32>,
    keys: Panels,
    values: Panels,
    scores: Vec<f32>,
}

/// One head of one text.
#[derive(Clone, Copy)]
struct Head {
    number: usize,
    /// The text's first row, and its number of rows.
    start: usize,
    tokens: usize,
    /// Where the head's numbers are in a row.
    column: usize,
    size: usize,
}

impl Work {
    /// Writes `context` from `attention`: each text's tokens see only that text's.
    pub(crate) fn attend(&mut self, sight: &Sight, lengths: &[usize], heads: usize, hidden: usize) {
        let size = hidden / heads;
        let tokens: usize = lengths.iter().sum();
        self.context.resize(tokens * hidden, 0.0);
        if let Some(rotary) = &sight.rotary {
            rotary.rotate(&mut self.attention, lengths, hidden);
        }
        let mut start = 0;
        for &tokens in lengths {
            for number in 0..heads {
                let head = Head {
                    number,
                    start,
                    tokens,
                    column: number * size,
                    size,
                };
                self.attend_with(head, sight, hidden);
            }
            start += tokens;
        }
    }

    fn attend_with(&mut self, head: Head, sight: &Sight, hidden: usize) {
        let stride = 3 * hidden; // query, key, value
        let attention = &self.attention[head.start * stride..];
        let mut laid_out = 0..0;
        for first in (0..head.tokens).step_by(BLOCK) {
            let count = BLOCK.min(head.tokens - first);
            let visible = match sight.window {
                Some(window) => first.saturating_sub(window)..head.tokens.min(first + count + window),
                None => 0..head.tokens,
            };
            if visible != laid_out {
                let key = |key| &attention[(visible.start + key) * stride + hidden + head.column..];
                self.keys.set_columns(head.size, visible.len(), key);
                let value = |value| &attention[(visible.start + value) * stride + 2 * hidden + head.column..];
                self.values.set_rows(visible.len(), head.size, value);
                laid_out = visible.clone();
            }
            let width = visible.len();
            self.scores.resize(count * width, 0.0);
            let queries = Rows {
                numbers: &attention[first * stride + head.column..],
                count,
                stride,
            };
            self.keys.product(queries, None, &mut self.scores, width);
            for (query, row) in (first..).zip(self.scores.chunks_exact_mut(width)) {
                sight.adjust(row, head.number, query, visible.start);
            }
            softmax(&mut self.scores, width);
            let scores = Rows {
                numbers: &self.scores,
                count,
                stride: width,
            };
            let context = &mut self.context[(head.start + first) * hidden + head.column..];
            self.values.product(scores, None, context, hidden);
        }
    }
}

impl Sight {
    /// Changes the scores of the token at `query` for those from `first` on.
    fn adjust(&self, scores: &mut [f32], head: usize, query: usize, first: usize) {
        if let Some(bias) = &self.bias {
            let distances = 2 * bias.positions - 1;
            let numbers = &bias.numbers[head * distances + bias.positions - 1 + first - query..];
            scores.iter_mut().zip(numbers).for_each(|(score, bias)| *score += bias);
        }
        if let Some(window) = self.window {
            let before = query.saturating_sub(window).saturating_sub(first).min(scores.len());
            let after = (query + window + 1 - first).min(scores.len());
            scores[..before].fill(f32::NEG_INFINITY);
            scores[after..].fill(f32::NEG_INFINITY);
        }
    }
}

impl Rotary {
    /// For heads of `size` numbers, and as many positions as a text has.
    pub(crate) fn new(size: usize, theta: f32, positions: usize) -> Self {
        let half = size / 2;
        #[expect(clippy::cast_precision_loss, reason = "exact up to 16 million positions")]
        let angles = |position: usize| {
            (0..half).map(move |i| position as f32 * (1.0 / theta.powf((2 * i) as f32 / size as f32)))
        };
        let table = |of: fn(f32) -> f32| (0..positions).flat_map(angles).map(of).collect();
        Self {
            cosines: table(f32::cos),
            sines: table(f32::sin),
            half,
        }
    }

    /// Rotates the queries and keys, which are the first two thirds of each row.
    fn rotate(&self, attention: &mut [f32], lengths: &[usize], hidden: usize) {
        let mut rows = attention.chunks_exact_mut(3 * hidden);
        for &tokens in lengths {
            let tables = self
                .cosines
                .chunks_exact(self.half)
                .zip(self.sines.chunks_exact(self.half));
            for ((cosines, sines), row) in tables.take(tokens).zip(&mut rows) {
                for head in row[..2 * hidden].chunks_exact_mut(2 * self.half) {
                    let (left, right) = head.split_at_mut(self.half);
                    for ((x, y), (cosine, sine)) in left.iter_mut().zip(right).zip(cosines.iter().zip(sines)) {
                        (*x, *y) = (*x * cosine - *y * sine, *y * cosine + *x * sine);
                    }
                }
            }
        }
    }
}

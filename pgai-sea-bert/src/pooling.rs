//! One vector of the vectors of a text's tokens.

/// How the vector of a text is made of the vectors of its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first token's vector.
    Cls,
    /// The last token's vector.
    LastToken,
    /// The largest number at each place.
    Max,
    /// Their sum, divided by the square root of their number.
    MeanSqrtLen,
    /// Their mean, in which the n-th token counts n times.
    WeightedMean,
}

impl Pooling {
    /// Of `states`, which hold a row of `width` numbers per token. There is at least one.
    pub(crate) fn of(self, states: &[f32], width: usize) -> Vec<f32> {
        let rows = || states.chunks_exact(width);
        #[expect(clippy::cast_precision_loss, reason = "a text has thousands of tokens")]
        let count = rows().len() as f32;
        match self {
            Self::Cls => states[..width].to_vec(),
            Self::LastToken => states[states.len() - width..].to_vec(),
            Self::Max => fold(rows(), f32::NEG_INFINITY, |x, y, _| x.max(y)),
            Self::Mean => scaled(fold(rows(), 0.0, |x, y, _| x + y), count),
            Self::MeanSqrtLen => scaled(fold(rows(), 0.0, |x, y, _| x + y), count.sqrt()),
            Self::WeightedMean => scaled(
                fold(rows(), 0.0, |x, y, n| x + y * n),
                f32::midpoint(count * count, count),
            ),
        }
    }
}

/// Combines the rows place by place. The function learns which row it is, counted from 1.
fn fold<'a>(
    rows: impl ExactSizeIterator<Item = &'a [f32]>,
    start: f32,
    combine: impl Fn(f32, f32, f32) -> f32,
) -> Vec<f32> {
    let mut all = Vec::new();
    let mut number = 0.0;
    for row in rows {
        all.resize(row.len(), start);
        number += 1.0;
        all.iter_mut().zip(row).for_each(|(x, y)| *x = combine(*x, *y, number));
    }
    all
}

fn scaled(mut vector: Vec<f32>, divisor: f32) -> Vec<f32> {
    vector.iter_mut().for_each(|x| *x /= divisor);
    vector
}

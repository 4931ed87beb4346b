//! The families of models: what each calls its sizes and tensors.

pub(crate) mod bert;
pub(crate) mod distilbert;
pub(crate) mod modernbert;
pub(crate) mod mpnet;
pub(crate) mod nomic;

use crate::LoadError;
use crate::layer::Linear;
use crate::weights::Weights;

/// Refuses sizes that do not fit together.
pub(crate) fn check_sizes(hidden: usize, heads: usize, intermediate: usize) -> Result<(), LoadError> {
    if hidden == 0 || heads == 0 || !hidden.is_multiple_of(heads) || intermediate == 0 {
        return Err(LoadError::Sizes {
            hidden_size: hidden,
            num_attention_heads: heads,
            intermediate_size: intermediate,
        });
    }
    Ok(())
}

/// Query, key and value side by side, of three products of these names.
pub(crate) fn side_by_side(
    weights: &Weights<'_>,
    names: [String; 3],
    hidden: usize,
    heads: usize,
) -> Result<Linear, LoadError> {
    let [mut all, mut biases] = [Vec::new(), Vec::new()];
    for name in names {
        all.extend(weights.get(&format!("{name}.weight"), &[hidden, hidden])?);
        biases.extend(weights.bias(&name, hidden, true)?);
    }
    Ok(scaled(all, biases, hidden, heads))
}

/// The same where the file has them in one tensor.
pub(crate) fn in_one(
    weights: &Weights<'_>,
    name: &str,
    (hidden, heads): (usize, usize),
    has_bias: bool,
) -> Result<Linear, LoadError> {
    let all = weights.get(&format!("{name}.weight"), &[3 * hidden, hidden])?;
    Ok(scaled(all, weights.bias(name, 3 * hidden, has_bias)?, hidden, heads))
}

/// Divides the query here, once, instead of every score.
fn scaled(mut weights: Vec<f32>, mut biases: Vec<f32>, hidden: usize, heads: usize) -> Linear {
    #[expect(clippy::cast_precision_loss, reason = "a head has a hundred numbers or so")]
    let scale = 1.0 / ((hidden / heads) as f32).sqrt();
    let query = weights[..hidden * hidden].iter_mut().chain(&mut biases[..hidden]);
    query.for_each(|x| *x *= scale);
    Linear::new(&weights, biases, hidden)
}

/// Adds the vector of token type 0, which all tokens of a text of its own have, to each of `words`. Returns what type 1
/// has more, if there is one.
pub(crate) fn add_types(words: &mut [f32], types: &[f32], hidden: usize) -> Vec<f32> {
    let Some((first, rest)) = types.split_at_checked(hidden) else {
        return Vec::new();
    };
    for word in words.chunks_exact_mut(hidden) {
        word.iter_mut().zip(first).for_each(|(x, y)| *x += y);
    }
    let second = rest.get(..hidden).unwrap_or_default();
    second.iter().zip(first).map(|(second, first)| second - first).collect()
}

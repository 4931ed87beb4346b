//! The functions of single numbers and of rows. They are loops without branches, which the compiler turns into vector
//! instructions.

use pulp::Arch;

use crate::config::Activation;

/// Applies `activation` to each number.
pub(crate) fn activate(activation: Activation, numbers: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || match activation {
            Activation::Gelu => numbers.iter_mut().for_each(|x| *x = gelu(*x)),
            Activation::Relu => numbers.iter_mut().for_each(|x| *x = x.max(0.0)),
            Activation::Silu => numbers.iter_mut().for_each(|x| *x = silu(*x)),
        },
    );
}

/// Applies `activation` to the first half of each row of `width` numbers, and multiplies it with the second half.
pub(crate) fn activate_and_gate(activation: Activation, rows: &mut [f32], width: usize) {
    for row in rows.chunks_exact_mut(width) {
        let (left, right) = row.split_at_mut(width / 2);
        activate(activation, left);
        left.iter_mut().zip(right).for_each(|(x, y)| *x *= *y);
    }
}

/// Adds the second to the first, as far as both go.
pub(crate) fn add(to: &mut [f32], numbers: &[f32]) {
    to.iter_mut().zip(numbers).for_each(|(x, y)| *x += y);
}

/// Makes a distribution of each row of `width` numbers.
pub(crate) fn softmax(rows: &mut [f32], width: usize) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(width) {
                let max = fold(row, f32::NEG_INFINITY, f32::max);
                row.iter_mut().for_each(|x| *x = exp(*x - max));
                let scale = 1.0 / fold(row, 0.0, |a, b| a + b);
                row.iter_mut().for_each(|x| *x *= scale);
            }
        },
    );
}

/// Adds `residual` to `rows` and normalizes each row: mean 0 and variance 1, then scaled and shifted.
pub(crate) fn add_and_normalize(rows: &mut [f32], residual: &[f32], norm: &Norm) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let width = norm.scale.len();
            for (row, residual) in rows.chunks_exact_mut(width).zip(residual.chunks_exact(width)) {
                row.iter_mut().zip(residual).for_each(|(x, y)| *x += y);
                norm.apply(row);
            }
        },
    );
}

/// A layer normalization.
pub(crate) struct Norm {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    /// What is added to the variance.
    pub(crate) epsilon: f32,
}

impl Norm {
    /// Normalizes each row.
    pub(crate) fn apply_to_rows(&self, rows: &mut [f32]) {
        Arch::new().dispatch(
            #[inline(always)]
            || rows.chunks_exact_mut(self.scale.len()).for_each(|row| self.apply(row)),
        );
    }

    /// Writes the rows, normalized, to `out`.
    pub(crate) fn copy(&self, rows: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.extend_from_slice(rows);
        self.apply_to_rows(out);
    }

    /// Normalizes one row.
    #[inline(always)]
    fn apply(&self, row: &mut [f32]) {
        #[expect(clippy::cast_precision_loss, reason = "a row has thousands of numbers")]
        let count = row.len() as f32;
        let mean = fold(row, 0.0, |a, b| a + b) / count;
        row.iter_mut().for_each(|x| *x -= mean);
        let variance = fold_of(row, 0.0, |x| x * x, |a, b| a + b) / count;
        let factor = 1.0 / (variance + self.epsilon).sqrt();
        for ((x, scale), shift) in row.iter_mut().zip(&self.scale).zip(&self.shift) {
            *x = *x * factor * scale + shift;
        }
    }
}

/// Gives a vector the length 1. Zeros stay zeros.
pub fn to_unit(vector: &mut [f32]) {
    let length = fold_of(vector, 0.0, |x| x * x, |a, b| a + b).sqrt().max(1e-12);
    vector.iter_mut().for_each(|x| *x /= length);
}

#[inline(always)]
fn fold(numbers: &[f32], start: f32, combine: impl Fn(f32, f32) -> f32) -> f32 {
    fold_of(numbers, start, |x| x, combine)
}

/// Combines numbers in sixteen lanes: one sum would wait for itself at each step.
#[inline(always)]
fn fold_of(numbers: &[f32], start: f32, of: impl Fn(f32) -> f32, combine: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; 16];
    let (chunks, rest) = numbers.as_chunks::<16>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = combine(*lane, of(*x));
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane = combine(*lane, of(*x));
    }
    lanes.into_iter().fold(start, combine)
}

/// `x / 2 * (1 + erf(x / sqrt 2))`. The error function is Abramowitz and Stegun's 7.1.26, wrong by at most 1.5e-7.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let polynomial = ((((1.061_405_4 * t - 1.453_152_1) * t + 1.421_413_8) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    // the part that the error function lacks to 1
    let rest = polynomial * exp(-z * z);
    x.max(0.0) - 0.5 * x.abs() * rest
}

/// `x` times the logistic function.
#[inline(always)]
fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// The exponential function, as Cephes computes it: a power of two, times a polynomial for what is left.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding it rounds to a whole number, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts: a product with the first is exact.
    const LN_2: [f32; 2] = [0.693_359_375, -2.121_944_4e-4];
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let power = rounded - ROUND;
    let r = x - power * LN_2[0] - power * LN_2[1];
    let polynomial =
        ((((1.987_569_1e-4 * r + 1.398_2e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r + 1.666_666_5e-1) * r + 0.5;
    let fraction = polynomial * r * r + r + 1.0;
    f32::from_bits(fraction.to_bits().wrapping_add(rounded.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From -100 to 100, finer near 0.
    fn numbers() -> impl Iterator<Item = f32> {
        (-1000i16..=1000).map(|i| {
            let x = f32::from(i) / 1000.0;
            x * x.abs() * 100.0
        })
    }

    #[test]
    fn exp_is_right_to_the_last_digits() {
        for x in numbers().filter(|x| x.abs() < 87.0) {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "exp({x}) is wrong by {error}");
        }
        assert!(exp(-1000.0) < 1e-37);
        assert!((exp(0.0) - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn gelu_is_the_exact_one() {
        // by the series of the error function, which converges for what is small, and from where it is 1 to any digit
        let exact = |x: f64| {
            let z = x / std::f64::consts::SQRT_2;
            if z.abs() > 5.0 {
                return x.max(0.0);
            }
            let (mut term, mut sum) = (z, z);
            for n in 1..200 {
                term *= -z * z / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            x / 2.0 * (1.0 + sum * std::f64::consts::FRAC_2_SQRT_PI)
        };
        for x in numbers() {
            let error = (f64::from(gelu(x)) - exact(f64::from(x))).abs();
            assert!(
                error < 4e-7 * f64::from(x.abs()).max(1.0),
                "gelu({x}) is wrong by {error}"
            );
        }
    }

    #[test]
    fn a_softmax_is_a_distribution() {
        let mut rows = [1.0, 2.0, 3.0, 500.0, -500.0, 500.0];
        softmax(&mut rows, 3);
        let expected = [0.090_030_57, 0.244_728_47, 0.665_240_96, 0.5, 0.0, 0.5];
        for (found, expected) in rows.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{rows:?}");
        }
    }

    #[test]
    fn a_row_is_normalized_after_what_is_added() {
        let norm = Norm {
            scale: vec![1.0, 1.0, 2.0],
            shift: vec![0.0, 0.0, 1.0],
            epsilon: 0.0,
        };
        let mut row = [1.0, 1.0, 1.0];
        add_and_normalize(&mut row, &[0.0, 1.0, 2.0], &norm);
        let expected = [-1.224_744_9, 0.0, 1.0 + 2.0 * 1.224_744_9];
        for (found, expected) in row.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{row:?}");
        }
    }
}

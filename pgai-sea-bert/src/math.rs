//! The functions of single numbers and of rows. They are loops without branches, which the compiler turns into vector
//! instructions.

use pulp::{Arch, Simd, WithSimd};

use crate::config::Activation;

/// Applies `activation` to each number.
pub(crate) fn activate(activation: Activation, numbers: &mut [f32]) {
    struct Activate<'a>(Activation, &'a mut [f32]);
    impl Vectorized for Activate<'_> {
        #[inline(always)]
        fn run<S: Simd>(self) {
            let Self(activation, numbers) = self;
            match activation {
                Activation::Gelu => numbers.iter_mut().for_each(|x| *x = gelu::<S>(*x)),
                Activation::Relu => numbers.iter_mut().for_each(|x| *x = x.max(0.0)),
                Activation::Silu => numbers.iter_mut().for_each(|x| *x = silu::<S>(*x)),
            }
        }
    }
    vectorize(Activate(activation, numbers));
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
    struct Softmax<'a>(&'a mut [f32], usize);
    impl Vectorized for Softmax<'_> {
        #[inline(always)]
        fn run<S: Simd>(self) {
            for row in self.0.chunks_exact_mut(self.1) {
                let max = fold(row, f32::NEG_INFINITY, f32::max);
                row.iter_mut().for_each(|x| *x = exp::<S>(*x - max));
                let scale = 1.0 / fold(row, 0.0, |a, b| a + b);
                row.iter_mut().for_each(|x| *x *= scale);
            }
        }
    }
    vectorize(Softmax(rows, width));
}

/// Adds `residual` to `rows` and normalizes each row: mean 0 and variance 1, then scaled and shifted.
pub(crate) fn add_and_normalize(rows: &mut [f32], residual: &[f32], norm: &Norm) {
    struct AddAndNormalize<'a>(&'a mut [f32], &'a [f32], &'a Norm);
    impl Vectorized for AddAndNormalize<'_> {
        #[inline(always)]
        fn run<S: Simd>(self) {
            let Self(rows, residual, norm) = self;
            let width = norm.scale.len();
            for (row, residual) in rows.chunks_exact_mut(width).zip(residual.chunks_exact(width)) {
                row.iter_mut().zip(residual).for_each(|(x, y)| *x += y);
                norm.apply(row);
            }
        }
    }
    vectorize(AddAndNormalize(rows, residual, norm));
}

/// Loops that the compiler writes once for each set of instructions. A closure would not do: what calls it is compiled
/// for the smallest set.
trait Vectorized {
    /// Has to be inlined, with all that it calls.
    fn run<S: Simd>(self);
}

/// Runs them with the instructions that this processor has.
fn vectorize(loops: impl Vectorized) {
    struct Run<V>(V);
    impl<V: Vectorized> WithSimd for Run<V> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            self.0.run::<S>();
        }
    }
    Arch::new().dispatch(Run(loops));
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
        struct Apply<'a>(&'a Norm, &'a mut [f32]);
        impl Vectorized for Apply<'_> {
            #[inline(always)]
            fn run<S: Simd>(self) {
                for row in self.1.chunks_exact_mut(self.0.scale.len()) {
                    self.0.apply(row);
                }
            }
        }
        vectorize(Apply(self, rows));
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
fn gelu<S: Simd>(x: f32) -> f32 {
    const FACTORS: [f32; 5] = [1.061_405_4, -1.453_152_1, 1.421_413_8, -0.284_496_74, 0.254_829_6];
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / mul_add::<S>(0.327_591_1, z, 1.0);
    // the part that the error function lacks to 1
    let rest = polynomial::<S, 5>(FACTORS, t) * t * exp::<S>(-z * z);
    x.max(0.0) - 0.5 * x.abs() * rest
}

/// `x` times the logistic function.
#[inline(always)]
fn silu<S: Simd>(x: f32) -> f32 {
    x / (1.0 + exp::<S>(-x))
}

/// The exponential function, as Cephes computes it: a power of two, times a polynomial for what is left.
#[inline(always)]
fn exp<S: Simd>(x: f32) -> f32 {
    /// Adding it rounds to a whole number, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts: a product with the first is exact.
    const LN_2: [f32; 2] = [0.693_359_375, -2.121_944_4e-4];
    const FACTORS: [f32; 6] = [
        1.987_569_1e-4,
        1.398_2e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ];
    let x = x.clamp(-87.0, 88.0);
    let rounded = mul_add::<S>(x, std::f32::consts::LOG2_E, ROUND);
    let power = rounded - ROUND;
    let r = mul_add::<S>(power, -LN_2[1], mul_add::<S>(power, -LN_2[0], x));
    let fraction = mul_add::<S>(polynomial::<S, 6>(FACTORS, r), r * r, r) + 1.0;
    f32::from_bits(fraction.to_bits().wrapping_add(rounded.to_bits() << 23))
}

/// A polynomial by its factors, the highest power's first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(factors: [f32; N], x: f32) -> f32 {
    let mut sum = factors[0];
    for factor in &factors[1..] {
        sum = mul_add::<S>(sum, x, *factor);
    }
    sum
}

/// `a * b + c` in one instruction where there surely is one. Elsewhere it would be a call of a function.
#[inline(always)]
fn mul_add<S: Simd>(a: f32, b: f32, c: f32) -> f32 {
    // AVX2 comes with it
    if S::F32_LANES >= 8 { a.mul_add(b, c) } else { a * b + c }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::*;

    /// From -100 to 100, finer near 0.
    fn numbers() -> impl Iterator<Item = f32> {
        (-1000i16..=1000).map(|i| {
            let x = f32::from(i) / 1000.0;
            x * x.abs() * 100.0
        })
    }

    /// With products and sums in one instruction, and in two.
    macro_rules! of_both {
        ($of:ident) => {
            $of::<Scalar>();
            #[cfg(target_arch = "x86_64")]
            $of::<pulp::x86::V3>();
        };
    }

    #[test]
    fn exp_is_right_to_the_last_digits() {
        fn of<S: Simd>() {
            for x in numbers().filter(|x| x.abs() < 87.0) {
                let exact = f64::from(x).exp();
                let error = (f64::from(exp::<S>(x)) - exact).abs() / exact;
                assert!(error < 3e-7, "exp({x}) is wrong by {error}");
            }
            assert!(exp::<S>(-1000.0) < 1e-37);
            assert!((exp::<S>(0.0) - 1.0).abs() < f32::EPSILON);
        }
        of_both!(of);
    }

    #[test]
    fn gelu_is_the_exact_one() {
        // by the series of the error function, which converges for what is small, and from where it is 1 to any digit
        fn exact(x: f64) -> f64 {
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
        }
        fn of<S: Simd>() {
            for x in numbers() {
                let error = (f64::from(gelu::<S>(x)) - exact(f64::from(x))).abs();
                assert!(
                    error < 4e-7 * f64::from(x.abs()).max(1.0),
                    "gelu({x}) is wrong by {error}"
                );
            }
        }
        of_both!(of);
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

//! The steps between BERT's matrix products, each in one pass over memory and in place.
//!
//! Done with tensor operations, one of these is up to seven passes, and `exp` and `erf` are calls to the mathematical library, one
//! number at a time: together they took longer than the matrix products. Written as plain arithmetic without branches, the compiler
//! makes vector instructions of them.

use candle_core::{CpuStorage, InplaceOp1, InplaceOp2, InplaceOp3, Layout, Result, bail};

/// `rows + bias`: every row of a matrix gets the bias added.
pub(super) struct AddBias;

/// `gelu(rows + bias)`, the exact GELU.
pub(super) struct AddBiasGelu;

/// `rows + bias + residual`.
pub(super) struct AddBiasResidual;

/// The softmax of every row.
pub(super) struct Softmax;

impl InplaceOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, x_l: &Layout, bias: &CpuStorage, bias_l: &Layout) -> Result<()> {
        let bias = numbers(bias, bias_l)?;
        for row in numbers_mut(x, x_l)?.chunks_exact_mut(bias.len()) {
            for (x, bias) in row.iter_mut().zip(bias) {
                *x += bias;
            }
        }
        Ok(())
    }
}

impl InplaceOp2 for AddBiasGelu {
    fn name(&self) -> &'static str {
        "add-bias-gelu"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, x_l: &Layout, bias: &CpuStorage, bias_l: &Layout) -> Result<()> {
        let bias = numbers(bias, bias_l)?;
        for row in numbers_mut(x, x_l)?.chunks_exact_mut(bias.len()) {
            for (x, bias) in row.iter_mut().zip(bias) {
                *x = gelu(*x + bias);
            }
        }
        Ok(())
    }
}

impl InplaceOp3 for AddBiasResidual {
    fn name(&self) -> &'static str {
        "add-bias-residual"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_l: &Layout,
        bias: &CpuStorage,
        bias_l: &Layout,
        residual: &CpuStorage,
        residual_l: &Layout,
    ) -> Result<()> {
        let bias = numbers(bias, bias_l)?;
        let rows = numbers_mut(x, x_l)?.chunks_exact_mut(bias.len());
        let residual_rows = numbers(residual, residual_l)?.chunks_exact(bias.len());
        for (row, residual) in rows.zip(residual_rows) {
            for ((x, bias), residual) in row.iter_mut().zip(bias).zip(residual) {
                *x += bias + residual;
            }
        }
        Ok(())
    }
}

impl InplaceOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, x_l: &Layout) -> Result<()> {
        let length = x_l.dims().last().copied().unwrap_or(1);
        for row in numbers_mut(x, x_l)?.chunks_exact_mut(length) {
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.;
            for x in row.iter_mut() {
                *x = exp(*x - max);
            }
            for x in row.iter() {
                sum += x;
            }
            for x in row.iter_mut() {
                *x /= sum;
            }
        }
        Ok(())
    }
}

fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice()?[start..end]),
        None => bail!("the operand is not contiguous"),
    }
}

fn numbers_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (layout.contiguous_offsets(), storage) {
        (Some((start, end)), CpuStorage::F32(numbers)) => Ok(&mut numbers[start..end]),
        _ => bail!("the operand is not contiguous f32"),
    }
}

/// `x Φ(x)`, with the error function after Abramowitz and Stegun, 7.1.26: at most 1.5e-7 off.
#[inline]
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1. / (1. + 0.327_591_1 * z);
    let polynomial = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    let erf = 1. - polynomial * exp(-z * z);
    0.5 * x * (1. + erf.copysign(x))
}

/// `e^x` for `x` up to 88, by way of `2^n e^r` with `|r| <= ln 2 / 2` and a polynomial of degree 6 for `e^r`; relative error
/// below 3e-7. Below -87 it is as good as zero.
#[inline]
fn exp(x: f32) -> f32 {
    /// Adding it leaves the nearest integer in the lowest bits.
    const ROUND: f32 = 12_582_912.; // 1.5 * 2^23
    /// ln 2 in two parts, the first exact when multiplied by a small integer.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

    let x = x.clamp(-87., 88.);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2[0] - n * LN_2[1];
    let polynomial = 1. + r * (1. + r * (0.5 + r * (1. / 6. + r * (1. / 24. + r * (1. / 120. + r * (1. / 720.))))));
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    polynomial * power
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;

    #[test]
    fn exp_is_close_everywhere() {
        let mut x = -86.9_f32;
        while x < 88. {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "{x}: {error}");
            x += 0.001;
        }
        assert!(exp(-1000.) < 1e-37);
        assert!((exp(0.) - 1.).abs() < f32::EPSILON);
    }

    #[test]
    fn gelu_is_close_to_candles() -> Result<()> {
        let xs: Vec<f32> = (-10_000_i16..10_000).map(|i| f32::from(i) / 1000.).collect();
        let exact: Vec<f32> = Tensor::from_slice(&xs, xs.len(), &Device::Cpu)?.gelu_erf()?.to_vec1()?;
        for (x, exact) in xs.into_iter().zip(exact) {
            assert!((gelu(x) - exact).abs() < 1e-6, "{x}");
        }
        Ok(())
    }

    #[test]
    fn operations_go_row_by_row() -> Result<()> {
        let cpu = &Device::Cpu;
        let rows = || Tensor::new(&[[0f32, 1.], [2., 3.]], cpu);
        let bias = Tensor::new(&[10f32, 20.], cpu)?;

        let x = rows()?;
        x.inplace_op2(&bias, &AddBias)?;
        assert_eq!(x.to_vec2::<f32>()?, [[10., 21.], [12., 23.]]);
        let x = rows()?;
        x.inplace_op3(&bias, &rows()?, &AddBiasResidual)?;
        assert_eq!(x.to_vec2::<f32>()?, [[10., 22.], [14., 26.]]);
        let x = rows()?;
        x.inplace_op1(&Softmax)?;
        for row in x.to_vec2::<f32>()? {
            assert!(
                (row[0] - 0.268_941_4).abs() < 1e-6 && (row[1] - 0.731_058_6).abs() < 1e-6,
                "{row:?}"
            );
        }
        Ok(())
    }
}

//! Matrix products on one core.

use pulp::{Arch, Simd, WithSimd};

/// The numbers of a line of the cache.
const LINE: usize = 16;

/// The left matrix of a product: row `i` begins at `i * stride`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) numbers: &'a [f32],
    pub(crate) count: usize,
    pub(crate) stride: usize,
}

/// The right matrix of a product, cut into panels of a few columns. In a panel the rows follow one another, so that a
/// product reads it from one end to the other. The last panel is filled up with zeros.
#[derive(Default)]
pub(crate) struct Panels {
    /// The instructions that this processor has. They decide how wide a panel is.
    arch: Arch,
    numbers: Vec<f32>,
    /// Where they begin, at a line of the cache: a register that is loaded from two takes longer.
    start: usize,
    depth: usize,
    columns: usize,
}

impl Panels {
    /// A matrix of `columns`, each `depth` numbers long.
    pub(crate) fn set_columns<'a>(&mut self, depth: usize, columns: usize, column: impl Fn(usize) -> &'a [f32]) {
        let width = self.resize(depth, columns);
        for (first, panel) in (0..columns)
            .step_by(width)
            .zip(self.numbers[self.start..].chunks_exact_mut(depth * width))
        {
            for place in 0..width.min(columns - first) {
                let column = &column(first + place)[..depth];
                for (row, x) in panel.chunks_exact_mut(width).zip(column) {
                    row[place] = *x;
                }
            }
        }
    }

    /// A matrix of `depth` rows, each `columns` numbers long.
    pub(crate) fn set_rows<'a>(&mut self, depth: usize, columns: usize, row: impl Fn(usize) -> &'a [f32]) {
        let width = self.resize(depth, columns);
        for (first, panel) in (0..columns)
            .step_by(width)
            .zip(self.numbers[self.start..].chunks_exact_mut(depth * width))
        {
            let columns = first..columns.min(first + width);
            for (place, into) in panel.chunks_exact_mut(width).enumerate() {
                into[..columns.len()].copy_from_slice(&row(place)[columns.clone()]);
            }
        }
    }

    /// Makes room, zeros where columns are missing, and returns the width of a panel.
    fn resize(&mut self, depth: usize, columns: usize) -> usize {
        let width = self.arch.dispatch(PanelWidth);
        let numbers = columns.next_multiple_of(width) * depth;
        if !columns.is_multiple_of(width) {
            self.numbers.clear(); // else all of it is written
        }
        self.numbers.resize(numbers + LINE, 0.0);
        let start = self.numbers.as_ptr().align_offset(LINE * size_of::<f32>());
        self.start = start.min(LINE);
        self.numbers.truncate(self.start + numbers);
        self.depth = depth;
        self.columns = columns;
        width
    }

    /// Writes `rows * self + bias`: row `i` to where `i * stride` is in `out`.
    pub(crate) fn product(&self, rows: Rows<'_>, bias: Option<&[f32]>, out: &mut [f32], stride: usize) {
        self.arch.dispatch(Product {
            rows,
            panels: self,
            bias,
            out,
            stride,
        });
    }
}

/// The columns of a panel: two registers.
struct PanelWidth;

impl WithSimd for PanelWidth {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        2 * S::F32_LANES
    }
}

struct Product<'a> {
    rows: Rows<'a>,
    panels: &'a Panels,
    bias: Option<&'a [f32]>,
    out: &'a mut [f32],
    stride: usize,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // two registers for a row of a tile, and some left for what is multiplied
        if S::REGISTER_COUNT >= 32 {
            self.in_tiles_of::<S, 12>(simd);
        } else {
            self.in_tiles_of::<S, 6>(simd);
        }
    }
}

impl Product<'_> {
    /// Goes through the product in tiles: `M` rows and the columns of a panel.
    #[inline(always)]
    fn in_tiles_of<S: Simd, const M: usize>(self, simd: S) {
        let Panels {
            numbers,
            start,
            depth,
            columns,
            ..
        } = self.panels;
        let width = 2 * S::F32_LANES;
        for (first_column, panel) in (0..*columns)
            .step_by(width)
            .zip(numbers[*start..].chunks_exact(depth * width))
        {
            let panel = S::as_simd_f32s(panel).0.as_chunks::<2>().0;
            let columns = first_column..(*columns).min(first_column + width);
            let middle = columns.len().min(S::F32_LANES);
            let load = |part: &[f32]| {
                let (left, right) = part.split_at(middle);
                [simd.partial_load_f32s(left), simd.partial_load_f32s(right)]
            };
            let bias = self
                .bias
                .map_or([simd.splat_f32s(0.0); 2], |bias| load(&bias[columns.clone()]));
            for first_row in (0..self.rows.count).step_by(M) {
                // rows that are missing are the last one again, and not written
                let rows = std::array::from_fn(|i| {
                    let row = (first_row + i).min(self.rows.count - 1);
                    &self.rows.numbers[row * self.rows.stride..][..*depth]
                });
                let sums = tile::<S, M>(simd, rows, panel, bias);
                for (row, sums) in (first_row..self.rows.count).zip(sums) {
                    let out = &mut self.out[row * self.stride..][columns.clone()];
                    if let ([out], []) = S::as_mut_simd_f32s(out).0.as_chunks_mut::<2>() {
                        *out = sums;
                    } else {
                        let (left, right) = out.split_at_mut(middle);
                        simd.partial_store_f32s(left, sums[0]);
                        simd.partial_store_f32s(right, sums[1]);
                    }
                }
            }
        }
    }
}

/// The products of `M` rows with the columns of a panel. The sums stay in registers.
#[inline(always)]
fn tile<S: Simd, const M: usize>(
    simd: S,
    rows: [&[f32]; M],
    panel: &[[S::f32s; 2]],
    bias: [S::f32s; 2],
) -> [[S::f32s; 2]; M] {
    let mut sums = [bias; M];
    let mut step = |numbers: [f32; M], columns: [S::f32s; 2]| {
        for i in 0..M {
            let x = simd.splat_f32s(numbers[i]);
            sums[i][0] = simd.mul_add_e_f32s(x, columns[0], sums[i][0]);
            sums[i][1] = simd.mul_add_e_f32s(x, columns[1], sums[i][1]);
        }
    };
    // eight at a time, for one check of bounds
    let rows = rows.map(|row| row.as_chunks::<8>());
    let (chunks, rest) = panel.as_chunks::<8>();
    for (c, chunk) in chunks.iter().enumerate() {
        let numbers: [&[f32; 8]; M] = std::array::from_fn(|i| &rows[i].0[c]);
        for k in 0..8 {
            step(std::array::from_fn(|i| numbers[i][k]), chunk[k]);
        }
    }
    for (k, columns) in rest.iter().enumerate() {
        step(std::array::from_fn(|i| rows[i].1[k]), *columns);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, columns: usize, seed: usize) -> Vec<f32> {
        let number = |i: usize| f32::from(u8::try_from((i * 7919 + seed * 104_729) % 251).unwrap()) / 251.0 - 0.5;
        (0..rows * columns).map(number).collect()
    }

    /// The sets of instructions that this processor has, of those that there are code for.
    fn archs() -> Vec<Arch> {
        let mut archs = vec![Arch::Scalar, Arch::new()];
        #[cfg(target_arch = "x86_64")]
        archs.extend(pulp::x86::V3::try_new().map(Arch::V3));
        archs
    }

    /// The sum of the products, in the order of the definition.
    fn exact(left: &[f32], right: &[f32], (depth, columns): (usize, usize), (i, j): (usize, usize)) -> f32 {
        (0..depth).map(|k| left[i * depth + k] * right[k * columns + j]).sum()
    }

    #[test]
    fn products_of_any_shape_are_those_of_the_definition() {
        for arch in archs() {
            for (rows, depth, columns) in [
                (1, 1, 1),
                (3, 7, 5),
                (12, 8, 32),
                (13, 33, 40),
                (25, 16, 64),
                (30, 100, 71),
            ] {
                let left = matrix(rows, depth, 1);
                let right = matrix(depth, columns, 2); // a row after the other
                let bias = matrix(1, columns, 3);
                let transposed: Vec<f32> = (0..columns)
                    .flat_map(|j| (0..depth).map(move |k| (j, k)))
                    .map(|(j, k)| right[k * columns + j])
                    .collect();
                let mut panels = Panels {
                    arch,
                    ..Panels::default()
                };
                panels.set_columns(90, 90, |_| &[9.0; 90]); // nothing is left of what was there before
                for (by_rows, bias) in [
                    (true, None),
                    (true, Some(&bias[..])),
                    (false, None),
                    (false, Some(&bias[..])),
                ] {
                    if by_rows {
                        panels.set_rows(depth, columns, |k| &right[k * columns..]);
                    } else {
                        panels.set_columns(depth, columns, |j| &transposed[j * depth..]);
                    }
                    let stride = columns + 3;
                    let mut out = vec![7.0; rows * stride];
                    let left_rows = Rows {
                        numbers: &left,
                        count: rows,
                        stride: depth,
                    };
                    panels.product(left_rows, bias, &mut out, stride);
                    for (i, row) in out.chunks_exact(stride).enumerate() {
                        for (j, found) in row[..columns].iter().enumerate() {
                            let exact =
                                exact(&left, &right, (depth, columns), (i, j)) + bias.map_or(0.0, |bias| bias[j]);
                            assert!(
                                (found - exact).abs() < 1e-4,
                                "{found} for {exact} at {i}, {j} of {rows} x {depth} x {columns}, {arch:?}"
                            );
                        }
                        assert_eq!(row[columns..], [7.0; 3], "beside the product");
                    }
                }
            }
        }
    }
}

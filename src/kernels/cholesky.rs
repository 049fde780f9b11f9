//! L with A = L Lᵀ, from the lower triangle of A. Twin of shaders/cholesky.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/cholesky.wgsl.
    CholeskyParams {
        /// Matrices.
        n: u32,
        /// Rows of a matrix.
        d: u32,
    }
}

/// The most rows of a matrix: a column of them is shared in a workgroup's memory.
pub const MAX_ROWS: usize = 128;

/// See the module.
pub struct Cholesky;

impl Twin for Cholesky {
    const NAME: &'static str = "cholesky";
    const WGSL: &'static str = include_str!("../../shaders/cholesky.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = CholeskyParams;

    fn work(c: &Consts, p: &CholeskyParams) -> Work {
        let (n, d, wg) = (u64::from(p.n), u64::from(p.d), u64::from(c[0]));
        let rows = d.div_ceil(wg);
        // The last rows that an invocation can have; of row i, i(i + 1)/2 elements change.
        let changes: u64 = (1..=rows).map(|t| (t * wg).min(d) - 1).map(|i| i * (i + 1) / 2).sum();
        Work {
            items: p.n as usize,
            chunk: (16 * 1024 / (p.d * p.d).max(1) as usize).max(1),
            strides: [(p.d * p.d) as usize; MAX_OUTS],
            workgroups: n,
            loop_bound: rows * (1 + d) + d * (1 + 2 * rows) + changes,
            flops: n * d * d * d / 3,
        }
    }

    fn reads(_: &Consts, p: &CholeskyParams) -> Vec<usize> {
        vec![(p.n * p.d * p.d) as usize]
    }

    fn describe(_: &Consts, p: &CholeskyParams) -> String {
        format!("{}²", p.d)
    }

    #[inline(always)]
    fn run<R: Real>(
        _: &Consts,
        p: &CholeskyParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let d = p.d as usize;
        let matrices = ins[0].f().chunks(d * d).skip(items.start);
        for (y, a) in outs[0].f().chunks_mut(d * d).zip(matrices) {
            for i in 0..d {
                let (lower, upper) = y[i * d..][..d].split_at_mut(i + 1);
                lower.copy_from_slice(&a[i * d..][..i + 1]);
                upper.fill(R::zero());
            }
            let mut column = vec![R::zero(); d];
            for j in 0..d {
                (j..d).for_each(|i| column[i] = y[i * d + j]);
                let left = column[j];
                let pivot = if left > R::zero() { left } else { R::of(f64::NAN) };
                let root = pivot.sqrt();
                y[j * d + j] = root;
                for i in j + 1..d {
                    let f = column[i] / pivot;
                    for (y, &c) in y[i * d + j + 1..=i * d + i].iter_mut().zip(&column[j + 1..]) {
                        *y = *y - f * c;
                    }
                    y[i * d + j] = column[i] / root;
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, a: Vec<f32>, d: usize, wg: u32| {
            let n = a.len() / (d * d);
            let p = CholeskyParams { n: n as u32, d: d as u32 };
            Case::new(format!("{what} [{n},{d},{d}]"), &[wg], p, vec![a.into()], &[n * d * d])
        };
        // Each row's diagonal outweighs the rest of it, so that no pivot is near 0. What stands above is another matrix.
        let heavy = |n: usize, d: usize| {
            let mut a = values(Values::Straddling { extreme: 2.0 }, n * d * d, (n + d) as u32);
            for (i, v) in a.iter_mut().enumerate() {
                let (row, col) = (i / d % d, i % d);
                if row == col {
                    *v = d as f32 * (0.5 + 0.25 * (row % 5) as f32) + v.abs();
                } else if col < row {
                    *v *= 0.5;
                }
            }
            a
        };
        let above = |mut a: Vec<f32>, d: usize, value: f32| {
            a.iter_mut().enumerate().filter(|(i, _)| i % d > i / d % d).for_each(|(_, v)| *v = value);
            a
        };
        let mut cases = Vec::new();
        // One row, around a workgroup of rows, two rows an invocation.
        for (n, d) in [(1, 1), (65, 1), (3, 2), (7, 3), (5, 31), (2, 63), (1, 64), (1, 65), (1, 97), (2, MAX_ROWS)] {
            let mixed = case("mixed", heavy(n, d), d, 64);
            cases.push(if (n, d) == (2, MAX_ROWS) { mixed.again() } else { mixed });
        }
        // Whole numbers: A = L Lᵀ with ones on L's diagonal, so that every pivot is 1. Of a large L the later half of the
        // rows stands on the earlier half alone: else its inverse, and what a device may be off, grows from row to row.
        let whole = |n: usize, d: usize, wg: u32| {
            let entries = values(Values::Integers, n * d * d, (n + d) as u32);
            let l = |q: usize, i: usize, k: usize| match k.cmp(&i) {
                std::cmp::Ordering::Less if d < 9 || 2 * k < d && d <= 2 * i => entries[(q * d + i) * d + k],
                std::cmp::Ordering::Less => 0.0,
                std::cmp::Ordering::Equal => 1.0,
                std::cmp::Ordering::Greater => 0.0,
            };
            let product = |i: usize| {
                let (q, r, c) = (i / (d * d), i / d % d, i % d);
                (0..d).map(|k| l(q, r, k) * l(q, c, k)).sum()
            };
            case("integers", (0..n * d * d).map(product).collect(), d, wg).exact()
        };
        cases.extend([whole(1, 1, 64), whole(5, 8, 64), whole(2, 33, 64), whole(1, MAX_ROWS, 64)]);
        cases.push(case("no numbers above", above(heavy(2, 9), 9, f32::NAN), 9, 64));
        // A pivot of 0 or below it, in the first, the last and an inner column: NaN from there on, and none before.
        for (at, value) in [(0, 0.0), (0, -1.0), (4, 0.0), (4, -20.0), (8, -3.0), (5, f32::NAN)] {
            let mut a = above(heavy(2, 9), 9, f32::NAN);
            if value == 0.0 {
                // No product of others is taken away: exactly 0 is left.
                (0..at).for_each(|k| a[at * 9 + k] = 0.0);
            }
            a[at * 9 + at] = value;
            cases.push(case(&format!("pivot {at} of {value}"), a, 9, 64));
        }
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(whole(65_538, 2, 1));
        cases
    }

    fn timed() -> Vec<Case> {
        let (n, d) = (128, 20);
        let mut a = values(Values::Unit, n * d * d, 1);
        a.iter_mut().enumerate().filter(|(i, _)| i / d % d == i % d).for_each(|(_, v)| *v += d as f32);
        let p = CholeskyParams { n: n as u32, d: d as u32 };
        vec![Case::new(format!("[{n},{d},{d}]"), &[64], p, vec![a.into()], &[n * d * d])]
    }
}

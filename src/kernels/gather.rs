//! y\[i, c\] = x\[i mod books, index\[i\], c\]: rows by their index. Twin of shaders/gather.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values, words};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/gather.wgsl.
    GatherParams {
        /// Indices, and rows of the result.
        n: u32,
        /// Elements of a row.
        d: u32,
        /// Rows of a book, at least 1.
        k: u32,
        /// Books, which the indices go round.
        books: u32,
    }
}

/// The row that an index stands for: its whole part, and past the last row the last one.
#[inline(always)]
pub(super) fn place<R: Real>(index: R, k: u32) -> usize {
    (index.f64() as usize).min(k as usize - 1)
}

/// `n` indices below k, and a few that are not whole or past the last.
pub(super) fn indices(n: usize, k: u32, salt: u32) -> Vec<f32> {
    let whole = |w: u32| ((u64::from(w) * u64::from(k)) >> 32) as f32;
    let odd = |(i, w): (usize, u32)| match i % 29 {
        5 => whole(w) + 0.75,
        17 => k as f32 + 3.0,
        _ => whole(w),
    };
    words(n, salt).into_iter().enumerate().map(odd).collect()
}

/// See the module.
pub struct Gather;

impl Twin for Gather {
    const NAME: &'static str = "gather";
    const WGSL: &'static str = include_str!("../../shaders/gather.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = GatherParams;

    fn work(c: &Consts, p: &GatherParams) -> Work {
        Work {
            items: p.n as usize,
            chunk: (16 * 1024 / p.d.max(1) as usize).max(1),
            strides: [p.d as usize; MAX_OUTS],
            workgroups: (u64::from(p.n) * u64::from(p.d)).div_ceil(u64::from(c[0])),
            loop_bound: 0,
            flops: 0,
        }
    }

    fn reads(_: &Consts, p: &GatherParams) -> Vec<usize> {
        vec![(p.books * p.k * p.d) as usize, p.n as usize]
    }

    fn describe(_: &Consts, p: &GatherParams) -> String {
        format!("{} of [{},{},{}]", p.n, p.books, p.k, p.d)
    }

    #[inline(always)]
    fn run<R: Real>(
        _: &Consts,
        p: &GatherParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let (x, index, d) = (ins[0].f(), ins[1].f(), p.d as usize);
        for (i, y) in items.zip(outs[0].f().chunks_mut(d)) {
            let row = (i % p.books as usize) * p.k as usize + place(index[i], p.k);
            y.copy_from_slice(&x[row * d..][..d]);
        }
    }

    fn cases() -> Vec<Case> {
        let case = |[n, d, k, books]: [u32; 4], wg: u32| {
            let p = GatherParams { n, d, k, books };
            let x = values(Values::Straddling { extreme: 1000.0 }, (books * k * d) as usize, n);
            let ins = vec![x.into(), indices(n as usize, k, d).into()];
            Case::new(format!("{n} of [{books},{k},{d}]"), &[wg], p, ins, &[(n * d) as usize]).exact()
        };
        let mut cases: Vec<Case> = [
            [1, 1, 1, 1],
            [63, 1, 7, 1],
            [64, 3, 64, 1],
            [65, 5, 3, 1],
            [97, 64, 256, 1],
            // Several books; one for each index.
            [66, 7, 11, 3],
            [61, 1, 256, 61],
            // More elements than llvmpipe lets one invocation loop over.
            [10_007, 7, 512, 1],
        ]
        .into_iter()
        .map(|shape| case(shape, 64))
        .collect();
        cases.push(case([331, 9, 40, 1], 64).again());
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case([21_846, 3, 13, 2], 1));
        cases
    }

    fn timed() -> Vec<Case> {
        let [n, d, k, books] = [6272, 64, 256, 1];
        let ins = vec![values(Values::Unit, (k * d) as usize, 1).into(), indices(n as usize, k, 1).into()];
        let p = GatherParams { n, d, k, books };
        vec![Case::new(format!("{n} of [{books},{k},{d}]"), &[64], p, ins, &[(n * d) as usize]).exact()]
    }
}

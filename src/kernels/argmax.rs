//! y\[r\] = the first j whose x\[r, j\] is the largest of row r, as a number. Twin of shaders/argmax.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/argmax.wgsl.
    ArgMaxParams {
        /// Rows.
        n: u32,
        /// Elements of a row, at least 1.
        d: u32,
    }
}

/// See the module.
pub struct ArgMax;

impl Twin for ArgMax {
    const NAME: &'static str = "argmax";
    const WGSL: &'static str = include_str!("../../shaders/argmax.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = ArgMaxParams;

    fn work(c: &Consts, p: &ArgMaxParams) -> Work {
        Work {
            items: p.n as usize,
            chunk: (64 * 1024 / p.d.max(1) as usize).max(1),
            strides: [1; MAX_OUTS],
            workgroups: u64::from(p.n).div_ceil(u64::from(c[0])),
            loop_bound: p.d.into(),
            flops: 0,
        }
    }

    fn reads(_: &Consts, p: &ArgMaxParams) -> Vec<usize> {
        vec![p.n as usize * p.d as usize]
    }

    fn describe(_: &Consts, p: &ArgMaxParams) -> String {
        format!("of {}", p.d)
    }

    #[inline(always)]
    fn run<R: Real>(
        _: &Consts,
        p: &ArgMaxParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let d = p.d as usize;
        let rows = ins[0].f()[items.start * d..items.end * d].chunks(d);
        for (x, y) in rows.zip(outs[0].f()) {
            let (mut best, mut at) = (x[0], 0);
            for (j, &v) in x.iter().enumerate().skip(1) {
                if v > best || (v.f64().is_nan() && !best.f64().is_nan()) {
                    (best, at) = (v, j);
                }
            }
            *y = R::of(at as f64);
        }
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, x: Vec<f32>, d: usize, wg: u32| {
            let n = x.len() / d;
            let p = ArgMaxParams { n: n as u32, d: d as u32 };
            Case::new(format!("{what} [{n},{d}]"), &[wg], p, vec![x.into()], &[n]).exact()
        };
        let some = |kind, n: usize, d: usize| values(kind, n * d, (n + d) as u32);
        // A device that takes subnormals for 0 would tie where there is no tie.
        let mixed = Values::Jumping { extreme: 1000.0 };
        let mut cases = Vec::new();
        for (n, d) in [(1, 1), (3, 1), (63, 5), (64, 64), (65, 63), (7, 997)] {
            cases.push(case("mixed", some(mixed, n, d), d, 64));
            // Seven values: mostly ties.
            cases.push(case("ties", some(Values::Integers, n, d), d, 64));
        }
        cases.push(case("unit", some(Values::Unit, 611, 41), 41, 64).again());
        cases.push(case("equal", vec![-1.5; 3 * 130], 130, 64));
        // Every kind of number there is, each at every place, with what is above everything and without.
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let next = f32::from_bits(0x3f80_0001);
        let odd = [0.0, -0.0, -inf, 1.0, next, -1.0, f32::MIN, next, inf, f32::MAX, nan, inf, -nan];
        for most in 1..=odd.len() {
            let turned: Vec<f32> = (0..most).flat_map(|r| (0..most).map(move |j| odd[(r + j) % most])).collect();
            cases.push(case("odd", turned, most, 64));
        }
        // More elements than llvmpipe lets one invocation loop over; the longest row that there may be.
        cases.push(case("long", some(Values::Unit, 3, 32_768), 32_768, 64));
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case("folded grid", some(Values::Integers, 65_538, 2), 2, 1));
        cases
    }

    fn timed() -> Vec<Case> {
        // A batch of 128 pictures of 7 × 7 codes.
        let (n, d) = (6272, 256);
        let p = ArgMaxParams { n: n as u32, d: d as u32 };
        vec![Case::new(format!("[{n},{d}]"), &[64], p, vec![values(Values::Unit, n * d, 1).into()], &[n]).exact()]
    }
}

//! y\[i, 2k\] = sin(2π t_i / P_k), y\[i, 2k + 1\] = cos(2π t_i / P_k), P_k = 4, 8, 16, …: a time told by where it stands in each
//! of some periods (as positions are in Vaswani et al. 2017); t: \[n\], whole numbers of at least 0, y: \[n, 2·periods\]. Twin of
//! shaders/sinusoids.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Work, params, words};
use crate::values::Real;
use std::ops::Range;

/// The most periods: below the longest of them whole numbers are exact in f32.
pub const MOST_PERIODS: usize = 22;

params! {
    /// Uniform of shaders/sinusoids.wgsl.
    SinusoidsParams {
        /// Times.
        n: u32,
        /// Periods of each, at most [`MOST_PERIODS`].
        periods: u32,
    }
}

/// See the module.
pub struct Sinusoids;

impl Twin for Sinusoids {
    const NAME: &'static str = "sinusoids";
    const WGSL: &'static str = include_str!("../../shaders/sinusoids.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = SinusoidsParams;

    fn work(c: &Consts, p: &SinusoidsParams) -> Work {
        // A sine and a cosine.
        Work { strides: [2; MAX_OUTS], ..Work::elementwise((p.n * p.periods) as usize, c[0], 2) }
    }

    fn reads(_: &Consts, p: &SinusoidsParams) -> Vec<usize> {
        vec![p.n as usize]
    }

    fn describe(_: &Consts, p: &SinusoidsParams) -> String {
        format!("{} periods", p.periods)
    }

    #[inline(always)]
    fn run<R: Real>(
        _: &Consts,
        p: &SinusoidsParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let t = ins[0].f();
        for (q, y) in items.zip(outs[0].f().chunks_exact_mut(2)) {
            let period = 4u32 << (q as u32 % p.periods);
            let within = t[q / p.periods as usize].f64() as u32 & (period - 1);
            (y[0], y[1]) = R::of(f64::from(within) / f64::from(period)).sin_cos_turns();
        }
    }

    fn cases() -> Vec<Case> {
        let case = |n: usize, periods: usize, wg: u32| {
            let p = SinusoidsParams { n: n as u32, periods: periods as u32 };
            // Within the longest period and some beyond it.
            let t: Vec<f32> = words(n, periods as u32).into_iter().map(|w| (w % (6 << periods)) as f32).collect();
            Case::new(format!("n={n} periods={periods} wg {wg}"), &[wg], p, vec![t.into()], &[2 * n * periods])
        };
        let mut cases: Vec<Case> =
            [(1, 1), (1, 7), (9, 7), (64, 1), (65, 3), (331, 3)].map(|(n, periods)| case(n, periods, 64)).into();
        cases.push(case(997, MOST_PERIODS, 64).again());
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case(32_771, 2, 1));
        cases
    }
}

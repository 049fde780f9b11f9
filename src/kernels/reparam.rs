//! z_i = μ_(i mod m) + e^(lv_(i mod m) / 2) · ε_i: a draw from N(μ, e^lv) by a draw from N(0, 1). Twin of
//! shaders/reparam.wgsl.

use super::{Case, Consts, In, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/reparam.wgsl.
    ReparamParams {
        /// Elements of ε and z.
        n: u32,
        /// Elements of μ and lv: one sample.
        m: u32,
    }
}

/// See the module.
pub struct Reparam;

impl Twin for Reparam {
    const NAME: &'static str = "reparam";
    const WGSL: &'static str = include_str!("../../shaders/reparam.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = ReparamParams;

    fn work(c: &Consts, p: &ReparamParams) -> Work {
        Work::elementwise(p.n as usize, c[0], 4)
    }

    fn reads(_: &Consts, p: &ReparamParams) -> Vec<usize> {
        vec![p.m as usize, p.m as usize, p.n as usize]
    }

    fn describe(_: &Consts, p: &ReparamParams) -> String {
        format!("×{}", p.n / p.m.max(1))
    }

    #[inline(always)]
    fn run<R: Real>(
        _: &Consts,
        p: &ReparamParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let (mu, lv, eps) = (ins[0].f(), ins[1].f(), &ins[2].f()[items.clone()]);
        let (z, m, half) = (outs[0].f(), p.m as usize, R::of(0.5));
        let mut at = 0;
        // Sample by sample; the first and the last may be cut.
        while at < z.len() {
            let j = (items.start + at) % m;
            let n = (m - j).min(z.len() - at);
            let rows = mu[j..j + n].iter().zip(&lv[j..j + n]).zip(&eps[at..at + n]);
            for (z, ((&mu, &lv), &eps)) in z[at..at + n].iter_mut().zip(rows) {
                *z = mu + (half * lv).exp() * eps;
            }
            at += n;
        }
    }

    fn cases() -> Vec<Case> {
        let case = |n: usize, m: usize, wg: u32| {
            let straddling = |extreme, n, salt| values(Values::Straddling { extreme }, n, salt).into();
            let ins = vec![straddling(1000.0, m, 1), straddling(20.0, m, 2), straddling(4.0, n, 3)];
            Case::new(format!("n={n} m={m}"), &[wg], ReparamParams { n: n as u32, m: m as u32 }, ins, &[n])
        };
        let mut cases: Vec<Case> = [1, 63, 64, 65, 997].map(|n| case(n, n, 64)).into();
        cases.extend([case(3 * 37, 37, 64), case(50, 1, 64), case(3 * 211, 211, 64).again()]);
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case(3 * 21_847, 21_847, 1));
        cases
    }

    fn timed() -> Vec<Case> {
        let case = |what: &str, n: usize| {
            let ins = [1, 2, 3].map(|salt| values(Values::Unit, n, salt).into()).into();
            Case::new(what, &[64], ReparamParams { n: n as u32, m: n as u32 }, ins, &[n])
        };
        vec![case("[128,20]", 128 * 20), case("[1048576]", 1 << 20)]
    }
}

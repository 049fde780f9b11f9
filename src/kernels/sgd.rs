//! u ← momentum · u + g;  θ ← θ − α u, unless the flag is set. Twin of shaders/sgd.wgsl.

use super::{Before, Case, Consts, In, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/sgd.wgsl.
    SgdParams {
        /// Elements.
        n: u32,
        /// Decay of the running sum of gradients.
        momentum: f32,
        /// The step's scalar that is α.
        lr: u32,
    }
}

/// See the module.
pub struct Sgd;

impl Twin for Sgd {
    const NAME: &'static str = "sgd";
    const WGSL: &'static str = include_str!("../../shaders/sgd.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    const UPDATES: &'static [usize] = &[0, 1];
    type Params = SgdParams;

    fn work(c: &Consts, p: &SgdParams) -> Work {
        Work::elementwise(p.n as usize, c[0], 4)
    }

    fn reads(_: &Consts, p: &SgdParams) -> Vec<usize> {
        vec![p.n as usize, 1]
    }

    fn describe(_: &Consts, _: &SgdParams) -> String {
        String::new()
    }

    #[inline(always)]
    fn run<R: Real>(_: &Consts, p: &SgdParams, s: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        let (g, flag) = (&ins[0].f()[items], ins[1].u()[0]);
        let [theta, u] = outs else { panic!("sgd has two outputs") };
        if flag != 0 {
            return;
        }
        let (momentum, lr) = (R::of(p.momentum.into()), R::of(s.scalars[p.lr as usize].into()));
        for ((theta, u), &g) in theta.f().iter_mut().zip(u.f()).zip(g) {
            *u = momentum * *u + g;
            *theta = *theta - lr * *u;
        }
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, kind: Values, n: usize, flag: u32, wg: u32| {
            // Scalar 16 of a case is ½: integers stay exact.
            let momentum = if kind == Values::Integers { 0.5 } else { 0.9 };
            let p = SgdParams { n: n as u32, momentum, lr: 16 };
            let ins = vec![values(kind, n, 1).into(), vec![flag].into()];
            let before = [2, 3].map(|salt| Before::Value(values(kind, n, salt).into()));
            Case::new(format!("{what} n={n}"), &[wg], p, ins, &[]).outs(before.into())
        };
        let straddling = Values::Straddling { extreme: 1000.0 };
        let mut cases: Vec<Case> = [1, 63, 64, 65, 997].map(|n| case("step", straddling, n, 0, 64)).into();
        cases.push(case("integers", Values::Integers, 997, 0, 64).exact().again());
        cases.push(case("gated", straddling, 65, 1, 64).exact());
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case("folded grid", Values::Integers, 65_535 + 2, 0, 1).exact());
        cases
    }

    fn timed() -> Vec<Case> {
        // The VAE's parameters.
        let n = 652_824;
        let p = SgdParams { n: n as u32, momentum: 0.9, lr: 16 };
        let ins = vec![values(Values::Unit, n, 1).into(), vec![0u32].into()];
        let before = [2, 3].map(|salt| Before::Value(values(Values::Unit, n, salt).into()));
        vec![Case::new(format!("[{n}]"), &[64], p, ins, &[]).outs(before.into())]
    }
}

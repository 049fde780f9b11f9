//! flag = 1 if any of counts is not 0, else 0;  skipped ← skipped + flag;  report = flag, as a real for the metrics.
//! Twin of shaders/gate.wgsl.

use super::{Before, Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Work, params};
use crate::values::{DType, Real};
use std::ops::Range;

params! {
    /// Uniform of shaders/gate.wgsl.
    GateParams {
        /// Counts, at most 4096.
        n: u32,
    }
}

/// See the module.
pub struct Gate;

impl Twin for Gate {
    const NAME: &'static str = "gate";
    const WGSL: &'static str = include_str!("../../shaders/gate.wgsl");
    const OVERRIDES: &'static [&'static str] = &[];
    type Params = GateParams;

    fn work(_: &Consts, p: &GateParams) -> Work {
        Work { items: 1, chunk: 1, strides: [1; MAX_OUTS], workgroups: 1, loop_bound: p.n.into(), flops: 0 }
    }

    fn reads(_: &Consts, p: &GateParams) -> Vec<usize> {
        vec![p.n as usize]
    }

    fn describe(_: &Consts, _: &GateParams) -> String {
        String::new()
    }

    fn run<R: Real>(_: &Consts, p: &GateParams, _: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], _: Range<usize>) {
        let flag = u32::from(ins[0].u()[..p.n as usize].iter().any(|&c| c != 0));
        outs[0].u()[0] = flag;
        outs[1].u()[0] += flag;
        outs[2].f()[0] = R::of(flag.into());
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, counts: Vec<u32>| {
            let p = GateParams { n: counts.len() as u32 };
            let skipped = Before::Value(vec![41u32].into());
            let outs = vec![Before::Poison(DType::U32, 1), skipped, Before::Poison(DType::F32, 1)];
            Case::new(format!("{what} n={}", counts.len()), &[], p, vec![counts.into()], &[]).outs(outs).exact()
        };
        let mut cases = Vec::new();
        for n in [1, 63, 64, 65, 997, 4096] {
            let mut last = vec![0; n];
            last[n - 1] = 2;
            cases.extend([case("none", vec![0; n]), case("last", last), case("all", vec![3; n])]);
        }
        cases.push(case("a sum that wraps", vec![1 << 31; 2]));
        cases
    }

    fn timed() -> Vec<Case> {
        let n = 162;
        let skipped = Before::Value(vec![0u32].into());
        let outs = vec![Before::Poison(DType::U32, 1), skipped, Before::Poison(DType::F32, 1)];
        let p = GateParams { n: n as u32 };
        vec![Case::new(format!("[{n}]"), &[], p, vec![vec![0u32; n].into()], &[]).outs(outs).exact()]
    }
}

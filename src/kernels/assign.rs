//! state ← value, unless the flag is set; \[n\]. Twin of shaders/assign.wgsl.

use super::{Before, Case, Consts, In, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/assign.wgsl.
    AssignParams {
        /// Elements.
        n: u32,
    }
}

/// See the module.
pub struct Assign;

impl Twin for Assign {
    const NAME: &'static str = "assign";
    const WGSL: &'static str = include_str!("../../shaders/assign.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = AssignParams;

    fn work(c: &Consts, p: &AssignParams) -> Work {
        Work::elementwise(p.n as usize, c[0], 0)
    }

    fn reads(_: &Consts, p: &AssignParams) -> Vec<usize> {
        vec![p.n as usize, 1]
    }

    fn describe(_: &Consts, _: &AssignParams) -> String {
        String::new()
    }

    #[inline(always)]
    fn run<R: Real>(
        _: &Consts,
        _: &AssignParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        if ins[1].u()[0] == 0 {
            outs[0].f().copy_from_slice(&ins[0].f()[items]);
        }
    }

    fn cases() -> Vec<Case> {
        let case = |n: usize, flag: u32, wg: u32| {
            let [value, state] = [1, 2].map(|salt| values(Values::Straddling { extreme: 1000.0 }, n, salt));
            let ins = vec![value.into(), vec![flag].into()];
            Case::new(format!("n={n} flag={flag}"), &[wg], AssignParams { n: n as u32 }, ins, &[])
                .outs(vec![Before::Value(state.into())])
                .exact()
        };
        let mut cases: Vec<Case> = [1, 63, 64, 65].into_iter().map(|n| case(n, 0, 64)).collect();
        cases.push(case(997, 0, 64).again());
        cases.extend([case(65, 1, 64), case(997, u32::MAX, 64)]);
        let mut nan = case(64, 1, 64);
        nan.name = "gated, values not finite".into();
        nan.ins[0] = vec![f32::NAN; 64].into();
        cases.push(nan);
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case(65_535 + 2, 0, 1));
        cases
    }

    fn timed() -> Vec<Case> {
        let n = 1 << 20;
        let [value, state] = [1, 2].map(|salt| values(Values::Unit, n, salt));
        let ins = vec![value.into(), vec![0u32].into()];
        let case = Case::new(format!("[{n}]"), &[64], AssignParams { n: n as u32 }, ins, &[]);
        vec![case.outs(vec![Before::Value(state.into())]).exact()]
    }
}

//! y_i = a number, or a scalar of the step; y: \[n\]. Twin of shaders/fill.wgsl.

use super::{Case, Consts, In, Out, StepRow, Twin, Work, params};
use crate::values::Real;
use std::ops::Range;

/// Where the number comes from; the discriminant is the override `OP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Op {
    /// The plan
    Const,
    /// The step row
    Scalar,
}

impl Op {
    /// Both, by override value.
    pub const ALL: [Op; 2] = [Op::Const, Op::Scalar];
}

params! {
    /// Uniform of shaders/fill.wgsl.
    FillParams {
        /// Elements.
        n: u32,
        /// The number of `Const`.
        value: f32,
        /// The step's scalar of `Scalar`.
        index: u32,
    }
}

/// See the module.
pub struct Fill;

impl Twin for Fill {
    const NAME: &'static str = "fill";
    const WGSL: &'static str = include_str!("../../shaders/fill.wgsl");
    const OVERRIDES: &'static [&'static str] = &["OP", "WG"];
    type Params = FillParams;

    fn work(c: &Consts, p: &FillParams) -> Work {
        Work::elementwise(p.n as usize, c[1], 0)
    }

    fn describe(c: &Consts, p: &FillParams) -> String {
        match Op::ALL[c[0] as usize] {
            Op::Const => p.value.to_string(),
            Op::Scalar => format!("scalar {}", p.index),
        }
    }

    #[inline(always)]
    fn run<R: Real>(c: &Consts, p: &FillParams, s: &StepRow, _: &[In<R>], outs: &mut [Out<R>], _: Range<usize>) {
        let value = match Op::ALL[c[0] as usize] {
            Op::Const => p.value,
            Op::Scalar => s.scalars[p.index as usize],
        };
        outs[0].f().fill(R::of(value.into()));
    }

    fn cases() -> Vec<Case> {
        let case = |op: Op, n: usize, index: u32, wg: u32| {
            let p = FillParams { n: n as u32, value: -1000.1, index };
            let name = format!("{op:?} {index} n={n}").to_lowercase();
            Case::new(name, &[op as u32, wg], p, vec![], &[n]).exact()
        };
        let mut cases: Vec<Case> = [1, 63, 64, 65, 997].map(|n| case(Op::Const, n, 0, 64)).into();
        cases.extend([0, 1, 2, 3, 4, 55].map(|index| case(Op::Scalar, 65, index, 64)));
        cases.push(case(Op::Scalar, 997, 29, 64).again());
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case(Op::Scalar, 65_535 + 2, 30, 1));
        cases
    }

    fn timed() -> Vec<Case> {
        let n = 1 << 20;
        let p = FillParams { n: n as u32, value: 0.5, index: 0 };
        vec![Case::new(format!("[{n}]"), &[Op::Const as u32, 64], p, vec![], &[n]).exact()]
    }
}

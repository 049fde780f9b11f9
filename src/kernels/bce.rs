//! Binary cross-entropy from logits, max(a, 0) − a x + ln(1 + e^−|a|), and its gradient (σ(a) − x)·scale. Twin of
//! shaders/bce.wgsl.

use super::{Case, Consts, In, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

/// Loss or gradient; the discriminant is the override `OP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Op {
    /// −x ln σ(a) − (1 − x) ln(1 − σ(a))
    Loss,
    /// (σ(a) − x)·scale
    Grad,
}

impl Op {
    /// Both, by override value.
    pub const ALL: [Op; 2] = [Op::Loss, Op::Grad];
}

/// max(a, 0) − a x + ln(1 + e^−|a|).
#[inline(always)]
pub fn loss<R: Real>(a: R, x: R) -> R {
    a.at_least(R::zero()) - a * x + (-a.abs()).exp().ln_1p()
}

params! {
    /// Uniform of shaders/bce.wgsl.
    BceParams {
        /// Elements.
        n: u32,
        /// Factor of the gradient.
        scale: f32,
    }
}

/// See the module.
pub struct Bce;

impl Twin for Bce {
    const NAME: &'static str = "bce";
    const WGSL: &'static str = include_str!("../../shaders/bce.wgsl");
    const OVERRIDES: &'static [&'static str] = &["OP", "WG"];
    type Params = BceParams;

    fn work(c: &Consts, p: &BceParams) -> Work {
        Work::elementwise(p.n as usize, c[1], 7)
    }

    fn reads(_: &Consts, p: &BceParams) -> Vec<usize> {
        vec![p.n as usize; 2]
    }

    fn describe(c: &Consts, _: &BceParams) -> String {
        format!("{:?}", Op::ALL[c[0] as usize]).to_lowercase()
    }

    #[inline(always)]
    fn run<R: Real>(c: &Consts, p: &BceParams, _: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        let (a, x) = (&ins[0].f()[items.clone()], &ins[1].f()[items]);
        let terms = outs[0].f().iter_mut().zip(a).zip(x);
        match Op::ALL[c[0] as usize] {
            Op::Loss => terms.for_each(|((y, &a), &x)| *y = loss(a, x)),
            Op::Grad => {
                let scale = R::of(p.scale.into());
                terms.for_each(|((y, &a), &x)| *y = (a.sigmoid() - x) * scale);
            }
        }
    }

    fn cases() -> Vec<Case> {
        let case = |op: Op, n: usize, wg: u32| {
            let a = values(Values::Straddling { extreme: 1000.0 }, n, op as u32);
            let mut x = values(Values::Unit, n, 9);
            x.iter_mut().step_by(3).for_each(|x| *x = x.round());
            let p = BceParams { n: n as u32, scale: 1.0 / 128.0 };
            let name = format!("{op:?} n={n}").to_lowercase();
            Case::new(name, &[op as u32, wg], p, vec![a.into(), x.into()], &[n])
        };
        let mut cases: Vec<Case> =
            Op::ALL.into_iter().flat_map(|op| [1, 63, 64, 65].map(|n| case(op, n, 64))).collect();
        cases.extend(Op::ALL.map(|op| case(op, 997, 64).again()));
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case(Op::Grad, 65_535 + 2, 1));
        cases
    }

    fn timed() -> Vec<Case> {
        let n = 128 * 784;
        let case = |op: Op| {
            let ins = [1, 2].map(|salt| values(Values::Unit, n, salt).into()).into();
            let p = BceParams { n: n as u32, scale: 1.0 / 128.0 };
            Case::new(format!("{op:?} [128,784]").to_lowercase(), &[op as u32, 64], p, ins, &[n])
        };
        Op::ALL.map(case).into()
    }
}

//! y_b = Σ_j f′(a_bj)² r_j: the squared Frobenius norm of the Jacobian of h = f(Wx + b), where r_j = ‖W_j‖²; h: \[n, d\],
//! r: \[d\], y: \[n\]. Twin of shaders/jacobian_penalty.wgsl.

use super::matmul_vec4::Act;
use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/jacobian_penalty.wgsl.
    JacobianPenaltyParams {
        /// Rows.
        n: u32,
        /// Units.
        d: u32,
    }
}

/// See the module.
pub struct JacobianPenalty;

impl Twin for JacobianPenalty {
    const NAME: &'static str = "jacobian_penalty";
    const WGSL: &'static str = include_str!("../../shaders/jacobian_penalty.wgsl");
    const OVERRIDES: &'static [&'static str] = &["ACT", "WG"];
    type Params = JacobianPenaltyParams;

    fn work(c: &Consts, p: &JacobianPenaltyParams) -> Work {
        let (n, d) = (p.n as usize, p.d as usize);
        Work {
            items: n,
            chunk: (16 * 1024 / d.max(1)).max(1),
            strides: [1; MAX_OUTS],
            workgroups: p.n.into(),
            loop_bound: d.div_ceil(c[1] as usize) as u64 + u64::from(c[1]),
            flops: (n * d * 5) as u64,
        }
    }

    fn reads(_: &Consts, p: &JacobianPenaltyParams) -> Vec<usize> {
        vec![p.n as usize * p.d as usize, p.d as usize]
    }

    fn describe(c: &Consts, _: &JacobianPenaltyParams) -> String {
        format!("{:?}", Act::ALL[c[0] as usize]).to_lowercase()
    }

    #[inline(always)]
    fn run<R: Real>(
        c: &Consts,
        p: &JacobianPenaltyParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let (act, d) = (Act::ALL[c[0] as usize], p.d as usize);
        let (h, r) = (&ins[0].f()[items.start * d..items.end * d], ins[1].f());
        let mut terms = vec![R::zero(); d];
        for (y, h) in outs[0].f().iter_mut().zip(h.chunks(d)) {
            for ((term, &h), &r) in terms.iter_mut().zip(h).zip(r) {
                let slope = act.slope(h);
                *term = slope * slope * r;
            }
            *y = R::sum(&terms);
        }
    }

    fn cases() -> Vec<Case> {
        let case = |act: Act, kind: Values, [n, d]: [usize; 2], wg: u32| {
            let h = match (act, kind) {
                (_, Values::Integers) => values(kind, n * d, 1),
                // What its activation has made of numbers of both signs.
                (Act::Relu, _) => values(Values::Jumping { extreme: 1000.0 }, n * d, 1),
                _ => values(kind, n * d, 1).into_iter().map(|a| act.apply(f64::from(a)) as f32).collect(),
            };
            let p = JacobianPenaltyParams { n: n as u32, d: d as u32 };
            let r = values(if kind == Values::Integers { kind } else { Values::Positive }, d, 2);
            let name = format!("{act:?} {kind:?} [{n},{d}] wg={wg}").to_lowercase();
            let case = Case::new(name, &[act as u32, wg], p, vec![h.into(), r.into()], &[n]);
            if kind == Values::Integers { case.exact() } else { case }
        };
        let straddling = Values::Straddling { extreme: 20.0 };
        let mut cases = Vec::new();
        for act in Act::ALL {
            for shape in [[1, 1], [3, 63], [2, 64], [5, 65], [7, 997], [63, 2]] {
                let [real, whole] = [straddling, Values::Integers].map(|kind| case(act, kind, shape, 64));
                let long = shape[1] == 997;
                cases.push(if long && act == Act::Sigmoid { real.again() } else { real });
                cases.push(if long && act == Act::Tanh { whole.again() } else { whole });
            }
        }
        // Workgroups of one invocation, and of as many as there may be.
        for wg in [1, 5, 256] {
            cases.push(case(Act::Sigmoid, straddling, [3, 300], wg));
            cases.push(case(Act::Tanh, Values::Integers, [3, 300], wg));
        }
        cases.push(case(Act::Sigmoid, Values::Integers, [2, 70_001], 64));
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case(Act::Sigmoid, Values::Integers, [65_537, 2], 1));
        cases
    }

    fn timed() -> Vec<Case> {
        let (n, d) = (128, 1000);
        let ins = [(n * d, 1), (d, 2)].map(|(n, salt)| values(Values::Unit, n, salt).into()).into();
        let p = JacobianPenaltyParams { n: n as u32, d: d as u32 };
        vec![Case::new(format!("sigmoid [{n},{d}]"), &[Act::Sigmoid as u32, 64], p, ins, &[n])]
    }
}

//! m ← β1 m + (1 − β1) g;  v ← β2 v + (1 − β2) g²;  θ ← θ − α · (m c1) / (√(v c2) + ε), unless the flag is set. Twin
//! of shaders/adam.wgsl.
//! n is divisible by 4, as buckets are: scalar bindings cost 2.5 times as much on llvmpipe.

use super::{Before, Case, Consts, In, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/adam.wgsl.
    AdamParams {
        /// Elements.
        n: u32,
        /// Decay of the first moment.
        beta1: f32,
        /// Decay of the second moment.
        beta2: f32,
        /// What keeps the divisor from 0.
        eps: f32,
        /// The step's scalar that is α.
        lr: u32,
        /// The step's scalar that is 1 / (1 − β1^t).
        c1: u32,
        /// The step's scalar that is 1 / (1 − β2^t).
        c2: u32,
    }
}

/// See the module.
pub struct Adam;

impl Twin for Adam {
    const NAME: &'static str = "adam";
    const WGSL: &'static str = include_str!("../../shaders/adam.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    const UPDATES: &'static [usize] = &[0, 1, 2];
    type Params = AdamParams;

    fn work(c: &Consts, p: &AdamParams) -> Work {
        let invocations = u64::from(p.n).div_ceil(4);
        Work { workgroups: invocations.div_ceil(c[0].into()), ..Work::elementwise(p.n as usize, c[0], 15) }
    }

    fn reads(_: &Consts, p: &AdamParams) -> Vec<usize> {
        vec![p.n as usize, 1]
    }

    fn describe(_: &Consts, _: &AdamParams) -> String {
        String::new()
    }

    #[inline(always)]
    fn run<R: Real>(_: &Consts, p: &AdamParams, s: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        let (g, flag) = (&ins[0].f()[items], ins[1].u()[0]);
        let [theta, m, v] = outs else { panic!("adam has three outputs") };
        if flag != 0 {
            return;
        }
        let scalar = |i: u32| R::of(s.scalars[i as usize].into());
        let (lr, c1, c2) = (scalar(p.lr), scalar(p.c1), scalar(p.c2));
        let (beta1, beta2, eps) = (R::of(p.beta1.into()), R::of(p.beta2.into()), R::of(p.eps.into()));
        let (gamma1, gamma2) = (R::one() - beta1, R::one() - beta2);
        for (((theta, m), v), &g) in theta.f().iter_mut().zip(m.f()).zip(v.f()).zip(g) {
            *m = beta1 * *m + gamma1 * g;
            *v = beta2 * *v + gamma2 * (g * g);
            *theta = *theta - lr * ((*m * c1) / ((*v * c2).sqrt() + eps));
        }
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, n: usize, flag: u32, fresh: bool, wg: u32| {
            // Places at which i / 4 and i % 4 differ from what any other divisor gives.
            let p = AdamParams { n: n as u32, beta1: 0.9, beta2: 0.999, eps: 1e-8, lr: 30, c1: 33, c2: 53 };
            let straddling = |salt| values(Values::Straddling { extreme: 1000.0 }, n, salt);
            let (m, v) =
                if fresh { (vec![0.0; n], vec![0.0; n]) } else { (straddling(3), values(Values::Positive, n, 4)) };
            let ins = vec![straddling(1).into(), vec![flag].into()];
            let before = [straddling(2), m, v].map(|x| Before::Value(x.into()));
            Case::new(format!("{what} n={n}"), &[wg], p, ins, &[]).outs(before.into())
        };
        let mut cases = Vec::new();
        for n in [4, 252, 256, 260, 1996] {
            cases.push(case("first step", n, 0, true, 64));
            let later = case("later step", n, 0, false, 64);
            cases.push(if n == 1996 { later.again() } else { later });
        }
        cases.push(case("gated", 68, 1, false, 64).exact());
        let mut nan = case("gated, gradients not finite", 68, 3, false, 64).exact();
        nan.ins[0] = vec![f32::NAN; 68].into();
        cases.push(nan);
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case("folded grid", 4 * (65_535 + 2), 0, false, 1));
        cases
    }

    fn timed() -> Vec<Case> {
        // The VAE's parameters.
        let n = 652_824;
        let p = AdamParams { n: n as u32, beta1: 0.9, beta2: 0.999, eps: 1e-8, lr: 0, c1: 1, c2: 2 };
        let [g, theta, m] = [1, 2, 3].map(|salt| values(Values::Unit, n, salt));
        let before = [theta, m, values(Values::Positive, n, 4)].map(|x| Before::Value(x.into()));
        let case = Case::new(format!("[{n}]"), &[64], p, vec![g.into(), vec![0u32].into()], &[]);
        vec![case.outs(before.into())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Call, Params, kernel};

    /// The first step of Adam moves by the learning rate against the sign of the gradient.
    #[test]
    fn the_first_step_is_the_learning_rate() {
        let p = AdamParams { n: 2, beta1: 0.9, beta2: 0.999, eps: 1e-8, lr: 0, c1: 1, c2: 2 };
        let mut step = StepRow::new(0, 0, 0, 0);
        step.scalars[..3].copy_from_slice(&[0.01, 10.0, 1000.0]);
        let (mut theta, mut m, mut v) = ([1.0, 1.0], [0.0; 2], [0.0; 2]);
        let outs = &mut [Out::F(&mut theta), Out::F(&mut m), Out::F(&mut v)];
        let call = Call { consts: vec![64], params: p.words() };
        kernel("adam").run_f64(&call, &step, &[In::F(&[5.0, -0.3]), In::U(&[0])], outs, 0..2);
        assert!((theta[0] - 0.99).abs() < 1e-6 && (theta[1] - 1.01).abs() < 1e-6, "{theta:?}");
    }
}

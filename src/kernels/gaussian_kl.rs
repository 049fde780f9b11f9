//! KL(N(μ, e^lv) ‖ N(0, 1)) = ½(μ² + e^lv − lv − 1), element by element; \[n\]. Twin of shaders/gaussian_kl.wgsl.

use super::{Case, Consts, In, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/gaussian_kl.wgsl.
    GaussianKlParams {
        /// Elements.
        n: u32,
    }
}

/// See the module.
pub struct GaussianKl;

impl Twin for GaussianKl {
    const NAME: &'static str = "gaussian_kl";
    const WGSL: &'static str = include_str!("../../shaders/gaussian_kl.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = GaussianKlParams;

    fn work(c: &Consts, p: &GaussianKlParams) -> Work {
        Work::elementwise(p.n as usize, c[0], 6)
    }

    fn reads(_: &Consts, p: &GaussianKlParams) -> Vec<usize> {
        vec![p.n as usize; 2]
    }

    fn describe(_: &Consts, _: &GaussianKlParams) -> String {
        String::new()
    }

    #[inline(always)]
    fn run<R: Real>(
        _: &Consts,
        _: &GaussianKlParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let (mu, lv) = (&ins[0].f()[items.clone()], &ins[1].f()[items]);
        let (half, one) = (R::of(0.5), R::one());
        for ((y, &mu), &lv) in outs[0].f().iter_mut().zip(mu).zip(lv) {
            *y = half * (mu * mu + lv.exp() - lv - one);
        }
    }

    fn cases() -> Vec<Case> {
        // Past the fold of the grid, at the smallest workgroup, in the last.
        [(1, 64), (63, 64), (64, 64), (65, 64), (997, 64), (65_535 + 2, 1)]
            .map(|(n, wg)| {
                let mu = values(Values::Straddling { extreme: 1000.0 }, n, 1);
                let mut lv = values(Values::Straddling { extreme: 20.0 }, n, 2);
                lv.iter_mut().step_by(31).for_each(|lv| *lv = -30.0);
                let p = GaussianKlParams { n: n as u32 };
                let case = Case::new(format!("n={n}"), &[wg], p, vec![mu.into(), lv.into()], &[n]);
                if n == 997 { case.again() } else { case }
            })
            .into()
    }

    fn timed() -> Vec<Case> {
        let case = |what: &str, n: usize| {
            let ins = [1, 2].map(|salt| values(Values::Unit, n, salt).into()).into();
            Case::new(what, &[64], GaussianKlParams { n: n as u32 }, ins, &[n])
        };
        vec![case("[128,20]", 128 * 20), case("[1048576]", 1 << 20)]
    }
}

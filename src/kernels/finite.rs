//! counts_c = how many elements of the c-th run of x are infinite or NaN, or have such a square. Twin of
//! shaders/finite.wgsl.

use super::{Before, Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::{DType, Real};
use std::ops::Range;

params! {
    /// Uniform of shaders/finite.wgsl.
    FiniteParams {
        /// Elements.
        n: u32,
        /// Elements of a run; the last may be shorter.
        run: u32,
        /// Whether an element whose square overflows counts.
        squares: u32,
    }
}

/// See the module.
pub struct Finite;

impl Twin for Finite {
    const NAME: &'static str = "finite";
    const WGSL: &'static str = include_str!("../../shaders/finite.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG", "LANES"];
    type Params = FiniteParams;

    fn work(c: &Consts, p: &FiniteParams) -> Work {
        let items = p.n.div_ceil(p.run) as usize;
        Work {
            items,
            chunk: (64 * 1024 / p.run.max(1) as usize).max(1),
            strides: [1; MAX_OUTS],
            workgroups: (items as u64).div_ceil(u64::from(c[0] / c[1])),
            loop_bound: u64::from(p.run.div_ceil(c[1])),
            flops: p.n.into(),
        }
    }

    fn reads(_: &Consts, p: &FiniteParams) -> Vec<usize> {
        vec![p.n as usize]
    }

    fn describe(_: &Consts, p: &FiniteParams) -> String {
        if p.squares != 0 { "squares".into() } else { String::new() }
    }

    #[inline(always)]
    fn run<R: Real>(
        _: &Consts,
        p: &FiniteParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let (x, run) = (&ins[0].f()[..p.n as usize], p.run as usize);
        // x² is finite at f32 below 2⁶⁴, and only there. Whatever R is, the question is about f32.
        let least = if p.squares != 0 { (1u128 << 64) as f32 } else { f32::INFINITY }.to_bits();
        let bad = |v: &R| u32::from((v.f64() as f32).to_bits() & 0x7fff_ffff >= least);
        for (count, c) in outs[0].u().iter_mut().zip(items) {
            *count = x[c * run..].iter().take(run).map(bad).sum();
        }
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, x: Vec<f32>, run: usize, squares: u32, wg: u32| {
            let p = FiniteParams { n: x.len() as u32, run: run as u32, squares };
            let name = format!("{what} n={} run={run} squares={squares}", x.len());
            let parts = x.len().div_ceil(run);
            Case::new(name, &[wg, 1], p, vec![x.into()], &[]).outs(vec![Before::Poison(DType::U32, parts)]).exact()
        };
        // In every seventh place one value of a list.
        let strewn = |n: usize, list: &[f32]| {
            let mut x = values(Values::Straddling { extreme: 1000.0 }, n, 5);
            x.iter_mut().step_by(7).zip(list.iter().cycle()).for_each(|(x, &v)| *x = v);
            x
        };
        let (inf, nan, max) = (f32::INFINITY, f32::NAN, f32::MAX);
        let odd = [nan, inf, -inf, -0.0, 1e-40, -1e-40, max, -max, 2e19, -2e19, 1.8e19, f32::from_bits(0xff80_0001)];
        let mut cases = Vec::new();
        for squares in [0, 1] {
            for v in odd {
                cases.push(case(&format!("one {:#010x}", v.to_bits()), vec![v], 1, squares, 64));
            }
            for (n, run) in [(63, 1), (64, 1), (65, 1), (997, 100), (997, 997), (997, 4096)] {
                cases.push(case("strewn", strewn(n, &odd), run, squares, 64));
                cases.push(case("none", values(Values::Straddling { extreme: 1000.0 }, n, 6), run, squares, 64));
            }
        }
        // One of seven, so that counts of runs of five are 0 and 1.
        cases.push(case("strewn", strewn(1999, &odd), 5, 1, 64).again());
        // More elements than llvmpipe lets one invocation loop over; the last is the only one of its run.
        let mut long = strewn(70_001, &[1.0, inf, 2.0]);
        long[70_000] = nan;
        cases.push(case("long", long.clone(), 4096, 0, 64));
        cases.push(case("long", long.clone(), 7000, 1, 64));
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case("folded grid", long, 1, 0, 1));
        // What invocations share: runs of fewer elements than there are of them, of more, and not of a whole round.
        for (n, run) in [(1, 1), (65, 3), (997, 100), (998, 100), (997, 4096), (1998, 33)] {
            let mut c = case("strewn", strewn(n, &odd), run, (n % 2) as u32, 64);
            c.call.consts[1] = [32, 64][n % 2];
            c.name += &format!(" by {}", c.call.consts[1]);
            cases.push(c);
        }
        cases
    }

    fn timed() -> Vec<Case> {
        // The VAE's gradients.
        let (n, run) = (652_824, 4096);
        let p = FiniteParams { n: n as u32, run: run as u32, squares: 1 };
        let case = Case::new(format!("[{n}] run={run}"), &[64, 1], p, vec![values(Values::Unit, n, 1).into()], &[]);
        vec![case.outs(vec![Before::Poison(DType::U32, n.div_ceil(run))]).exact()]
    }
}

#[cfg(test)]
mod tests {
    /// The threshold that stands for "x² is infinite" is the right one, to the last bit.
    #[test]
    fn squares_overflow_from_two_to_the_64th_on() {
        let edge = (1u128 << 64) as f32;
        assert!((edge * edge).is_infinite() && edge.to_bits() == 0x5f80_0000);
        let below = f32::from_bits(edge.to_bits() - 1);
        assert!((below * below).is_finite());
    }
}

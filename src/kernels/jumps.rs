//! y\[s, b\] = (t1, t2), two times of each sequence, drawn on integers; y: \[samples, n, 2\]. Twin of shaders/jumps.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Work, params};
use crate::values::{Philox, Real, below, stream};
use std::ops::Range;

params! {
    /// Uniform of shaders/jumps.wgsl.
    JumpsParams {
        /// Draws a sequence.
        samples: u32,
        /// Sequences.
        n: u32,
        /// Steps of a sequence; every jump is shorter.
        time: u32,
        /// The shortest usual jump.
        near_lo: u32,
        /// The longest usual jump.
        near_hi: u32,
        /// The shortest of the other jumps.
        far_lo: u32,
        /// The longest of the other jumps.
        far_hi: u32,
        /// 2²⁴ times the probability of the other jumps.
        far: u32,
        /// The stream of the draws, low word.
        stream_lo: u32,
        /// High word.
        stream_hi: u32,
        /// Whether draws belong to the example and not to the step, as in evaluation.
        by_example: u32,
        /// Steps over which the longest jumps grow from the shortest, 0 for none; times the longest it is below 2³².
        grow: u32,
    }
}

/// See the module.
pub struct Jumps;

impl Twin for Jumps {
    const NAME: &'static str = "jumps";
    const WGSL: &'static str = include_str!("../../shaders/jumps.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = JumpsParams;

    fn work(c: &Consts, p: &JumpsParams) -> Work {
        let mut work = Work::elementwise((p.samples * p.n) as usize, c[0], 0);
        // Ten rounds of Philox.
        (work.strides, work.loop_bound) = ([2; MAX_OUTS], 10);
        work
    }

    fn describe(_: &Consts, p: &JumpsParams) -> String {
        let by = if p.by_example != 0 { " by example" } else { "" };
        format!("{}..{}{by}", p.near_lo, p.near_hi)
    }

    #[inline(always)]
    fn run<R: Real>(_: &Consts, p: &JumpsParams, s: &StepRow, _: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        let fixed = p.by_example != 0;
        let time = if fixed { StepRow::EVALUATION } else { s.step };
        let first = if fixed { s.first } else { 0 };
        let rng = Philox::new(s.seed(), u64::from(p.stream_lo) | u64::from(p.stream_hi) << 32, time);
        for (q, y) in items.zip(outs[0].f().chunks_exact_mut(2)) {
            let (sample, b) = (q as u32 / p.n, q as u32 % p.n);
            let words = rng.block(first.wrapping_add(b).wrapping_mul(p.samples).wrapping_add(sample));
            let (lo, hi) = if words[0] >> 8 < p.far { (p.far_lo, p.far_hi) } else { (p.near_lo, p.near_hi) };
            let grown = fixed || s.step >= p.grow;
            let hi = if grown { hi } else { lo + (hi - lo) * s.step / p.grow };
            let jump = lo + below(words[1], hi - lo + 1);
            let t1 = below(words[2], p.time - jump);
            (y[0], y[1]) = (R::of(t1.into()), R::of((t1 + jump).into()));
        }
    }

    fn cases() -> Vec<Case> {
        let case = |[samples, n, time]: [u32; 3], near: [u32; 2], far: ([u32; 2], u32), by_example: u32, wg: u32| {
            let id = stream("case", n as usize);
            let ([far_lo, far_hi], far) = far;
            let (stream_lo, stream_hi) = (id as u32, (id >> 32) as u32);
            let [near_lo, near_hi] = near;
            let p = JumpsParams {
                samples,
                n,
                time,
                near_lo,
                near_hi,
                far_lo,
                far_hi,
                far,
                stream_lo,
                stream_hi,
                by_example,
                grow: 0,
            };
            let name =
                format!("[{samples},{n}] of {time}, {near:?}, {far} of {far_lo}..{far_hi} by_example={by_example}");
            let mut case = Case::new(name, &[wg], p, vec![], &[(2 * samples * n) as usize]).exact();
            case.step.first = 11;
            case
        };
        let none = ([1, 1], 0);
        // The step of a case is 3.
        let growing = |grow: u32, by_example: u32| {
            let mut case = case([16, 63, 200], [1, 10], ([2, 120], 1 << 22), by_example, 64);
            *case.call.params.last_mut().expect("`grow` is the last") = grow;
            case.name += &format!(" grow={grow}");
            case
        };
        vec![
            case([1, 1, 2], [1, 1], none, 0, 64),
            case([1, 63, 20], [1, 4], none, 0, 64),
            case([3, 211, 20], [1, 4], none, 1, 64).again(),
            case([16, 64, 200], [1, 10], ([1, 120], (1 << 24) / 5), 0, 64).again(),
            case([2, 65, 200], [0, 0], ([199, 199], 1 << 23), 1, 64),
            case([1, 997, 70_000], [1, 69_999], none, 0, 64),
            // Past the fold of the grid, at the smallest workgroup.
            case([3, 21_847, 20], [1, 4], none, 1, 1),
            // Jumps that grow: on the way, at its beginning, at its end, and by example.
            growing(7, 0),
            growing(30_000_000, 0),
            growing(3, 0),
            growing(7, 1),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Call, Params, kernel};

    #[test]
    fn jumps_and_their_beginnings_are_uniform_and_stay_inside() {
        let (n, time) = (40_000u32, 20);
        let p = JumpsParams {
            samples: 1,
            n,
            time,
            near_lo: 1,
            near_hi: 4,
            far_lo: 10,
            far_hi: 10,
            far: 1 << 22,
            stream_lo: 1,
            stream_hi: 2,
            by_example: 0,
            grow: 0,
        };
        let call = Call { consts: vec![64], params: p.words() };
        let mut y = vec![f64::NAN; 2 * n as usize];
        let k = kernel("jumps");
        k.run_f64(&call, &StepRow::new(1, 0, 0, 7), &[], &mut [Out::F(&mut y)], 0..n as usize);
        let pairs: Vec<(usize, usize)> = y.chunks(2).map(|t| (t[0] as usize, t[1] as usize)).collect();
        assert!(pairs.iter().all(|&(a, b)| a < b && b < time as usize));
        // A quarter jumps by 10; the others by 1 to 4, and each from anywhere.
        let share =
            |of: &dyn Fn(usize, usize) -> bool| pairs.iter().filter(|&&(a, b)| of(a, b)).count() as f64 / f64::from(n);
        assert!((share(&|a, b| b - a == 10) - 0.25).abs() < 0.01);
        for jump in 1..=4 {
            assert!((share(&|a, b| b - a == jump) - 0.1875).abs() < 0.01, "jumps of {jump}");
        }
        for t1 in 0..16 {
            assert!((share(&|a, b| b - a == 4 && a == t1) - 0.1875 / 16.0).abs() < 0.003, "jumps of 4 from {t1}");
        }
    }
}

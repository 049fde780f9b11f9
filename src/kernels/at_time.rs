//! y\[s, b, :\] = x\[b, t\[s, b\], :\], a place of each sequence, and the adjoint, which is a sum over s; x: \[n, time, d\],
//! y: \[samples, n, d\], t: \[samples, n\]. Twin of shaders/at_time.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values, words};
use crate::values::Real;
use std::ops::Range;

/// The two directions; the discriminant is the override `OP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Op {
    /// y from x
    Gather,
    /// x from y
    Scatter,
}

impl Op {
    /// Both, by override value.
    pub const ALL: [Op; 2] = [Op::Gather, Op::Scatter];
}

params! {
    /// Uniform of shaders/at_time.wgsl.
    AtTimeParams {
        /// Times of a sequence that are taken.
        samples: u32,
        /// Sequences.
        n: u32,
        /// Steps of a sequence.
        time: u32,
        /// Numbers of a step.
        d: u32,
    }
}

/// See the module.
pub struct AtTime;

impl Twin for AtTime {
    const NAME: &'static str = "at_time";
    const WGSL: &'static str = include_str!("../../shaders/at_time.wgsl");
    const OVERRIDES: &'static [&'static str] = &["OP", "WG"];
    type Params = AtTimeParams;

    fn work(c: &Consts, p: &AtTimeParams) -> Work {
        let gather = Op::ALL[c[0] as usize] == Op::Gather;
        let items = if gather { p.samples * p.n } else { p.n * p.time } as usize;
        let samples = if gather { 0 } else { u64::from(p.samples) };
        Work {
            items,
            chunk: (16 * 1024 / p.d.max(1) as usize).max(1),
            strides: [p.d as usize; MAX_OUTS],
            workgroups: (items as u64 * u64::from(p.d)).div_ceil(u64::from(c[1])),
            loop_bound: samples,
            flops: samples * u64::from(p.n) * u64::from(p.d),
        }
    }

    fn reads(c: &Consts, p: &AtTimeParams) -> Vec<usize> {
        let rows = if Op::ALL[c[0] as usize] == Op::Gather { p.n * p.time } else { p.samples * p.n };
        vec![(rows * p.d) as usize, (p.samples * p.n) as usize]
    }

    fn describe(c: &Consts, _: &AtTimeParams) -> String {
        format!("{:?}", Op::ALL[c[0] as usize]).to_lowercase()
    }

    #[inline(always)]
    fn run<R: Real>(
        c: &Consts,
        p: &AtTimeParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let (n, time, d) = (p.n as usize, p.time as usize, p.d as usize);
        let (from, t, to) = (ins[0].f(), ins[1].f(), outs[0].f());
        let at = |row: usize| (t[row].f64() as usize).min(time - 1);
        for (row, to) in items.zip(to.chunks_exact_mut(d)) {
            if Op::ALL[c[0] as usize] == Op::Gather {
                to.copy_from_slice(&from[(row % n * time + at(row)) * d..][..d]);
                continue;
            }
            let (b, now) = (row / time, row % time);
            to.fill(R::zero());
            let rows = (0..p.samples as usize).map(|s| s * n + b).filter(|&row| at(row) == now);
            let mut terms = 0;
            for row in rows {
                to.iter_mut().zip(&from[row * d..][..d]).for_each(|(to, &y)| *to = to.add_term(y));
                terms += 1;
            }
            to.iter_mut().for_each(|to| *to = to.close_sum(terms));
        }
    }

    fn cases() -> Vec<Case> {
        let case = |op: Op, [samples, n, time, d]: [usize; 4], integers: bool, wg: u32| {
            let p = AtTimeParams { samples: samples as u32, n: n as u32, time: time as u32, d: d as u32 };
            let (x, y) = (n * time * d, samples * n * d);
            let (from, to) = if op == Op::Gather { (x, y) } else { (y, x) };
            let kind = if integers { Values::Integers } else { Values::Straddling { extreme: 1000.0 } };
            let times = words(samples * n, time as u32).into_iter().map(|w| (w % time as u32) as f32);
            let ins = vec![values(kind, from, 3).into(), times.collect::<Vec<f32>>().into()];
            let name = format!("{op:?} [{samples},{n},{time},{d}] integers={integers} wg={wg}").to_lowercase();
            let case = Case::new(name, &[op as u32, wg], p, ins, &[to]);
            if integers { case.exact() } else { case }
        };
        let mut cases = Vec::new();
        for op in Op::ALL {
            for s in [[1, 1, 1, 1], [3, 7, 5, 13], [2, 5, 20, 63], [16, 4, 3, 64], [1, 3, 9, 65], [40, 2, 4, 31]] {
                cases.push(case(op, s, true, 64));
            }
            cases.push(case(op, [7, 11, 6, 37], false, 64));
            cases.push(case(op, [5, 13, 8, 29], true, 64).again());
            // Past the fold of the grid, at the smallest workgroup.
            cases.push(case(op, [2, 32_771, 2, 1], true, 1));
        }
        // As many terms as one sum may have, and more than one of them.
        cases.push(case(Op::Scatter, [24_000, 1, 2, 3], true, 64));
        cases
    }
}

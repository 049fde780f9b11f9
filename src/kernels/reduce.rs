//! y\[o, c, i\] = scale · Σ x\[o, k, i\] or max, over k in the c-th run of \[0, K). Twin of shaders/reduce.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, binary, params, values};
use crate::values::Real;
use std::ops::Range;

/// The reductions; the discriminant is the override `OP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Op {
    /// The sum, times `scale`
    Sum,
    /// The largest, NaN kept
    Max,
}

impl Op {
    /// Every reduction, by its override value.
    pub const ALL: [Op; 2] = [Op::Sum, Op::Max];
}

params! {
    /// Uniform of shaders/reduce.wgsl. No run is empty: (chunks − 1)·run < k ≤ chunks·run.
    ReduceParams {
        /// The product of the dimensions before the reduced one.
        outer: u32,
        /// The reduced dimension.
        k: u32,
        /// The product of the dimensions after it.
        inner: u32,
        /// Runs that the reduced dimension is cut into.
        chunks: u32,
        /// The length of a run; the last may be shorter.
        run: u32,
        /// Factor of a sum.
        scale: f32,
    }
}

/// See the module.
pub struct Reduce;

impl Twin for Reduce {
    const NAME: &'static str = "reduce";
    const WGSL: &'static str = include_str!("../../shaders/reduce.wgsl");
    const OVERRIDES: &'static [&'static str] = &["OP", "WG", "LANES"];
    type Params = ReduceParams;

    fn work(c: &Consts, p: &ReduceParams) -> Work {
        let items = p.outer as usize * p.chunks as usize * p.inner as usize;
        Work {
            items,
            chunk: (64 * 1024 / p.run.max(1) as usize).clamp(64, 16 * 1024),
            strides: [1; MAX_OUTS],
            workgroups: (items as u64).div_ceil(u64::from(c[1] / c[2])),
            loop_bound: u64::from(p.run.div_ceil(c[2]) + c[2].ilog2()),
            flops: u64::from(p.outer) * u64::from(p.k) * u64::from(p.inner),
        }
    }

    fn reads(_: &Consts, p: &ReduceParams) -> Vec<usize> {
        vec![p.outer as usize * p.k as usize * p.inner as usize]
    }

    fn describe(c: &Consts, p: &ReduceParams) -> String {
        let op = format!("{:?}", Op::ALL[c[0] as usize]).to_lowercase();
        format!("{op} [{},{},{}]→{}", p.outer, p.k, p.inner, p.chunks)
    }

    #[inline(always)]
    fn run<R: Real>(
        c: &Consts,
        p: &ReduceParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let (x, mut y) = (ins[0].f(), outs[0].f());
        let [k, inner, chunks, run] = [p.k, p.inner, p.chunks, p.run].map(|v| v as usize);
        let (op, scale) = (Op::ALL[c[0] as usize], R::of(p.scale.into()));
        let larger = |a: R, b: R| binary::Op::Max.apply(a, b);
        let mut at = items.start;
        // Row by row of the inner dimension; the first and the last may be cut.
        while !y.is_empty() {
            let (row, i) = (at / inner, at % inner);
            let (part, rest) = y.split_at_mut(y.len().min(inner - i));
            let first = (row % chunks) * run;
            let terms = first..k.min(first + run);
            let place = |k0: usize| ((row / chunks) * k + k0) * inner + i;
            if inner == 1 {
                let terms = &x[place(terms.start)..place(terms.end)];
                part[0] = match op {
                    Op::Sum => scale * R::sum(terms),
                    Op::Max => terms[1..].iter().fold(terms[0], |m, &v| larger(m, v)),
                };
            } else {
                part.copy_from_slice(&x[place(terms.start)..][..part.len()]);
                for k0 in terms.start + 1..terms.end {
                    let terms = &x[place(k0)..][..part.len()];
                    match op {
                        Op::Sum => part.iter_mut().zip(terms).for_each(|(y, &v)| *y = y.add_term(v)),
                        Op::Max => part.iter_mut().zip(terms).for_each(|(y, &v)| *y = larger(*y, v)),
                    }
                }
                if op == Op::Sum {
                    part.iter_mut().for_each(|y| *y = scale * y.close_sum(terms.len()));
                }
            }
            at += part.len();
            y = rest;
        }
    }

    fn cases() -> Vec<Case> {
        let case = |op: Op, kind: Values, [outer, k, inner]: [usize; 3], run: usize, scale: f32, wg: u32| {
            let chunks = k.div_ceil(run);
            let p = ReduceParams {
                outer: outer as u32,
                k: k as u32,
                inner: inner as u32,
                chunks: chunks as u32,
                run: run as u32,
                scale,
            };
            let x = values(kind, outer * k * inner, k as u32);
            let name = format!("{op:?} {kind:?} [{outer},{k},{inner}] run={run}").to_lowercase();
            let case = Case::new(name, &[op as u32, wg, 1], p, vec![x.into()], &[outer * chunks * inner]);
            if kind == Values::Integers || op == Op::Max { case.exact() } else { case }
        };
        let straddling = Values::Straddling { extreme: 1000.0 };
        let mut cases = Vec::new();
        for op in Op::ALL {
            for shape in [[1, 1, 1], [1, 997, 1], [65, 63, 1], [1, 64, 65], [3, 17, 29], [63, 1, 2]] {
                cases.push(case(op, straddling, shape, shape[1], 0.125, 64));
                cases.push(case(op, Values::Integers, shape, shape[1], 1.0, 64));
            }
            // Several runs, the last one short, or of one term.
            for (shape, run) in [([2, 100, 1], 33), ([3, 40, 7], 13), ([1, 5, 3], 1), ([1, 997, 2], 64)] {
                cases.push(case(op, Values::Integers, shape, run, 1.0, 64));
                cases.push(case(op, straddling, shape, run, 0.37, 64));
            }
            // Several runs a row, and more of them than the largest workgroup.
            cases.push(case(op, Values::Integers, [3, 40, 37], 13, 1.0, 64).again());
            // More terms than llvmpipe lets one invocation loop over.
            for (shape, run) in [([1, 70_001, 1], 4096), ([1, 70_001, 1], 23_334), ([1, 35_003, 2], 4096)] {
                cases.push(case(op, Values::Integers, shape, run, 1.0, 64));
            }
            // Past the fold of the grid, at the smallest workgroup.
            for shape in [[65_538, 2, 1], [1, 2, 65_537], [2, 2, 32_771]] {
                cases.push(case(op, Values::Integers, shape, 2, 1.0, 1));
            }
        }
        // Pairs of what is no number with what is one.
        let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -2.5, 0.0, 3.0];
        let mut special = case(Op::Max, Values::Integers, [36, 2, 1], 2, 1.0, 64);
        special.name = "max special".into();
        special.ins = vec![(0..36).flat_map(|i| [x[i / 6], x[i % 6]]).collect::<Vec<_>>().into()];
        cases.push(special);
        cases.push(case(Op::Sum, straddling, [1, 70_001, 1], 4096, 1.0, 64));
        // What invocations share: rows and columns, runs of fewer terms than there are of them and of more, and what is no
        // number.
        let shared = |c: &&Case| c.call.consts[1] == 64 && !c.again && c.ins[0].len() < 20_000;
        for (turn, mut case) in cases.iter().filter(shared).cloned().collect::<Vec<_>>().into_iter().enumerate() {
            case.call.consts[2] = [32, 64][turn / 2 % 2];
            case.name += &format!(" by {}", case.call.consts[2]);
            cases.push(case);
        }
        cases
    }

    fn timed() -> Vec<Case> {
        let case = |op: Op, [outer, k, inner]: [usize; 3], run: usize| {
            let chunks = k.div_ceil(run);
            let [o, k32, i, c, r] = [outer, k, inner, chunks, run].map(|x| x as u32);
            let p = ReduceParams { outer: o, k: k32, inner: i, chunks: c, run: r, scale: 1.0 };
            let x = values(Values::Unit, outer * k * inner, 1);
            let name = format!("{op:?} [{outer},{k},{inner}] run={run}").to_lowercase();
            let case = Case::new(name, &[op as u32, 64, 1], p, vec![x.into()], &[outer * chunks * inner]);
            if op == Op::Max { case.exact() } else { case }
        };
        vec![
            case(Op::Sum, [128, 784, 1], 784),
            case(Op::Sum, [1, 128, 784], 128),
            case(Op::Sum, [1, 1 << 20, 1], 1024),
            case(Op::Max, [1024, 1024, 1], 1024),
        ]
    }
}

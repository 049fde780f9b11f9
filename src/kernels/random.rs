//! y\[s, b, d\] = a random draw, normal, uniform in (0, 1) or a whole number, a function of the seed, the stream, the time and the
//! element's id alone; y: \[samples, batch, inner\]. Twin of shaders/random.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Work, params};
use crate::values::{Philox, Real, below, stream, unit};
use std::ops::Range;

/// The distributions; the discriminant is the override `OP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Op {
    /// N(0, 1)
    Normal,
    /// Uniform in (0, 1)
    Unit,
    /// Uniform among the whole numbers below `bound`
    Below,
}

impl Op {
    /// Every distribution, by its override value.
    pub const ALL: [Op; 3] = [Op::Normal, Op::Unit, Op::Below];

    /// The four draws of a block.
    #[inline]
    fn draw<R: Real>(self, words: [u32; 4], bound: u32) -> [R; 4] {
        let u = words.map(|w| R::of(unit(w)));
        match self {
            Op::Unit => u,
            // Whole: the same on every device.
            Op::Below => words.map(|w| R::of(below(w, bound).into())),
            Op::Normal => {
                let ((a, b), (c, d)) = (normal(u[0], u[1]), normal(u[2], u[3]));
                [a, b, c, d]
            }
        }
    }
}

/// Box and Muller: two normal draws from two uniform ones.
#[inline]
fn normal<R: Real>(u: R, v: R) -> (R, R) {
    // 1 − u is exact above ½, where ln would lose relative accuracy.
    let ln = if u > R::of(0.5) { (u - R::one()).ln_1p() } else { u.ln() };
    let r = (R::of(-2.0) * ln).sqrt();
    let (sin, cos) = v.sin_cos_turns();
    (r * cos, r * sin)
}

params! {
    /// Uniform of shaders/random.wgsl.
    RandomParams {
        /// Draws of each example.
        samples: u32,
        /// Examples.
        batch: u32,
        /// Elements of one draw.
        inner: u32,
        /// What is drawn: the stream's low word.
        stream_lo: u32,
        /// Its high word.
        stream_hi: u32,
        /// Whether draws belong to the example's place in the order and not to the step.
        by_example: u32,
        /// What the numbers of `Below` are below, at most 2²⁴.
        bound: u32,
    }
}

impl RandomParams {
    fn total(&self) -> usize {
        self.samples as usize * self.batch as usize * self.inner as usize
    }
}

/// See the module.
pub struct Random;

impl Twin for Random {
    const NAME: &'static str = "random";
    const WGSL: &'static str = include_str!("../../shaders/random.wgsl");
    const OVERRIDES: &'static [&'static str] = &["OP", "WG"];
    type Params = RandomParams;

    fn work(c: &Consts, p: &RandomParams) -> Work {
        // With several samples, ids are not in the order of memory: one item is everything.
        let (items, stride) = if p.samples > 1 { (1, p.total()) } else { (p.total(), 1) };
        // The first block may begin up to three ids before the first.
        let blocks = (p.total() as u64 + 3).div_ceil(4);
        Work {
            items,
            chunk: 16 * 1024,
            strides: [stride; MAX_OUTS],
            workgroups: blocks.div_ceil(u64::from(c[1])),
            // Ten rounds of Philox, four lanes.
            loop_bound: 14,
            flops: p.total() as u64 * 8,
        }
    }

    fn describe(c: &Consts, p: &RandomParams) -> String {
        let op = format!("{:?}", Op::ALL[c[0] as usize]).to_lowercase();
        if p.by_example != 0 { format!("{op} by example") } else { op }
    }

    #[inline(always)]
    fn run<R: Real>(c: &Consts, p: &RandomParams, s: &StepRow, _: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        let (op, y) = (Op::ALL[c[0] as usize], outs[0].f());
        let [samples, batch, inner] = [p.samples, p.batch, p.inner].map(|v| v as usize);
        let by_example = p.by_example != 0;
        let time = if by_example { StepRow::EVALUATION } else { s.step };
        let rng = Philox::new(s.seed(), u64::from(p.stream_lo) | u64::from(p.stream_hi) << 32, time);
        let row0 = if by_example { s.first } else { 0 };
        let first = row0.wrapping_mul(p.samples).wrapping_mul(p.inner);
        let range = if samples > 1 { 0..p.total() } else { items };
        let mut block = [R::zero(); 4];
        for (place, j) in range.enumerate() {
            let id = first.wrapping_add(j as u32);
            if id % 4 == 0 || place == 0 {
                block = op.draw(rng.block(id / 4), p.bound);
            }
            let at = if samples > 1 {
                let row = j / inner;
                ((row % samples) * batch + row / samples) * inner + j % inner
            } else {
                place
            };
            y[at] = block[(id % 4) as usize];
        }
    }

    fn cases() -> Vec<Case> {
        let case = |op: Op, [samples, batch, inner]: [u32; 3], by_example: u32, first: u32, wg: u32| {
            let id = stream("case", first as usize);
            let (stream_lo, stream_hi) = (id as u32, (id >> 32) as u32);
            // One, a few, and the most.
            let bound = [1 << 24, 1, 7, 997][first as usize % 4];
            let p = RandomParams { samples, batch, inner, stream_lo, stream_hi, by_example, bound };
            let name =
                format!("{op:?} [{samples},{batch},{inner}] by_example={by_example} first={first}").to_lowercase();
            let mut case = Case::new(name, &[op as u32, wg], p, vec![], &[p.total()]);
            case.step.first = first;
            // A uniform draw is its word, or a whole number: no rounding.
            if op == Op::Normal { case } else { case.exact() }
        };
        let mut cases = Vec::new();
        for op in Op::ALL {
            for n in [1, 63, 64, 65, 997] {
                cases.push(case(op, [1, 1, n], 0, 0, 64));
            }
            for by_example in [0, 1] {
                for first in [0, 1, 6, 103] {
                    cases.push(case(op, [1, 37, 7], by_example, first, 64));
                    cases.push(case(op, [3, 11, 5], by_example, first, 64));
                }
            }
            // Ids of several samples, out of the order of memory, that begin inside a block.
            cases.push(case(op, [3, 211, 5], 1, 6, 64).again());
            // Ids that pass 2³² begin again at 0.
            cases.push(case(op, [1, 5, 4], 1, (1 << 30) - 3, 64));
        }
        // So many that some words lie next to 0 and to 1, where logarithms go wrong.
        cases.push(case(Op::Normal, [1, 1, 200_000], 0, 0, 64));
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case(Op::Unit, [1, 1, 4 * 65_535 + 9], 0, 0, 1));
        cases.push(case(Op::Unit, [3, 1, 87_385], 1, 1, 1));
        cases
    }

    fn timed() -> Vec<Case> {
        let case = |op: Op, what: &str, [samples, batch, inner]: [u32; 3]| {
            let p = RandomParams { samples, batch, inner, stream_lo: 1, stream_hi: 2, by_example: 0, bound: 1 };
            Case::new(format!("{op:?} {what}").to_lowercase(), &[op as u32, 64], p, vec![], &[p.total()])
        };
        let large = "[1048576]";
        vec![
            case(Op::Normal, "[128,20]", [1, 128, 20]),
            case(Op::Normal, large, [1, 1, 1 << 20]),
            case(Op::Unit, large, [1, 1, 1 << 20]).exact(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Call, Params, kernel};

    fn draw(op: Op, [samples, batch, inner]: [u32; 3], by_example: u32, first: u32) -> Vec<f64> {
        let p = RandomParams { samples, batch, inner, stream_lo: 5, stream_hi: 6, by_example, bound: 5 };
        let call = Call { consts: vec![op as u32, 64], params: p.words() };
        let k = kernel("random");
        let mut y = vec![f64::NAN; p.total()];
        k.run_f64(&call, &StepRow::new(3, 0, first, 7), &[], &mut [Out::F(&mut y)], 0..k.work(&call).items);
        y
    }

    #[test]
    fn the_moments_are_those_of_the_distribution() {
        let moment = |y: &[f64], k: i32| y.iter().map(|v| v.powi(k)).sum::<f64>() / y.len() as f64;
        let normal = draw(Op::Normal, [1, 100, 2000], 0, 0);
        for (k, want) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)] {
            assert!((moment(&normal, k) - want).abs() < 0.05, "moment {k}: {}", moment(&normal, k));
        }
        let pairs = normal.windows(2).map(|p| p[0] * p[1]).sum::<f64>() / normal.len() as f64;
        assert!(pairs.abs() < 0.01, "neighbours correlate: {pairs}");
        let unit = draw(Op::Unit, [1, 100, 2000], 0, 0);
        assert!((moment(&unit, 1) - 0.5).abs() < 0.003 && (moment(&unit, 2) - 1.0 / 3.0).abs() < 0.003);
        assert!(unit.iter().all(|&u| u > 0.0 && u < 1.0));
        let below = draw(Op::Below, [1, 100, 2000], 0, 0);
        for k in 0..5 {
            let share = below.iter().filter(|&&v| v == f64::from(k)).count() as f64 / below.len() as f64;
            assert!((share - 0.2).abs() < 0.005, "{k}: {share}");
        }
    }

    #[test]
    fn an_example_draws_the_same_in_any_batch() {
        let (samples, inner) = (3, 5);
        let whole = draw(Op::Normal, [samples, 7, inner], 1, 10);
        let one = draw(Op::Normal, [samples, 1, inner], 1, 14);
        for s in 0..samples as usize {
            let row = (s * 7 + 4) * inner as usize;
            assert_eq!(whole[row..row + 5], one[s * 5..s * 5 + 5]);
        }
    }
}

//! x\[b, j\] = byte j of the b-th example of the batch, over 255 or binarised at random, or its j-th f32; x: \[batch,
//! inner\]. Twin of
//! shaders/batch.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Work, params, words};
use crate::values::{Philox, Real, lit, stream};
use std::ops::Range;

/// How bytes become reals; the discriminant is the override `OP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Op {
    /// byte / 255
    None,
    /// 1 with probability byte / 255, else 0; drawn at each step
    Dynamic,
    /// The same, drawn once for each example
    Static,
    /// The data are f32, as they are
    Real,
}

impl Op {
    /// Every way, by its override value.
    pub const ALL: [Op; 4] = [Op::None, Op::Dynamic, Op::Static, Op::Real];
    /// What is done with bytes.
    pub const BYTES: [Op; 3] = [Op::None, Op::Dynamic, Op::Static];
}

params! {
    /// Uniform of shaders/batch.wgsl.
    BatchParams {
        /// Examples.
        batch: u32,
        /// Numbers of an example.
        inner: u32,
        /// Whether the data are the batch's rows alone, in order, and not the whole set.
        streamed: u32,
        /// The stream of the binarisation, low word.
        stream_lo: u32,
        /// High word.
        stream_hi: u32,
        /// Whether draws belong to the example and not to the step, as in evaluation.
        by_example: u32,
    }
}

/// Blocks of random words that are made at once.
const BLOCKS: usize = 16;

/// See the module.
pub struct Batch;

impl Twin for Batch {
    const NAME: &'static str = "batch";
    const WGSL: &'static str = include_str!("../../shaders/batch.wgsl");
    const OVERRIDES: &'static [&'static str] = &["OP", "WG"];
    type Params = BatchParams;

    fn work(c: &Consts, p: &BatchParams) -> Work {
        Work {
            items: p.batch as usize,
            chunk: (16 * 1024 / p.inner.max(1) as usize).max(1),
            strides: [p.inner as usize; MAX_OUTS],
            workgroups: (u64::from(p.batch) * u64::from(p.inner.div_ceil(4))).div_ceil(u64::from(c[1])),
            // Ten rounds of Philox, four lanes.
            loop_bound: 14,
            flops: u64::from(p.batch) * u64::from(p.inner),
        }
    }

    fn reads(c: &Consts, p: &BatchParams) -> Vec<usize> {
        // Of the whole set the order says which rows; one at least.
        let rows = if p.streamed != 0 { p.batch as usize } else { 1 };
        let word = if Op::ALL[c[0] as usize] == Op::Real { 1 } else { 4 };
        vec![(rows * p.inner as usize).div_ceil(word), p.batch as usize]
    }

    fn describe(c: &Consts, p: &BatchParams) -> String {
        let op = format!("{:?}", Op::ALL[c[0] as usize]).to_lowercase();
        if p.by_example != 0 { format!("{op} by example") } else { op }
    }

    #[inline(always)]
    fn run<R: Real>(c: &Consts, p: &BatchParams, s: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        let (op, data, order, x) = (Op::ALL[c[0] as usize], ins[0].u(), ins[1].u(), outs[0].f());
        // Words hold their bytes in the order of a little-endian machine.
        let words: Vec<u32>;
        let bytes: &[u8] = if cfg!(target_endian = "little") {
            bytemuck::cast_slice(data)
        } else {
            words = data.iter().map(|w| w.to_le()).collect();
            bytemuck::cast_slice(&words)
        };
        let inner = p.inner as usize;
        let fixed = op == Op::Static || p.by_example != 0;
        let time = if fixed { StepRow::EVALUATION } else { s.step };
        let rng = Philox::new(s.seed(), u64::from(p.stream_lo) | u64::from(p.stream_hi) << 32, time);
        for (b, x) in items.zip(x.chunks_exact_mut(inner)) {
            let id = order[s.first as usize + b];
            let row = if p.streamed != 0 { b } else { id as usize };
            let key = if fixed { id } else { b as u32 };
            if op == Op::Real {
                let reals = &data[row * inner..][..inner];
                x.iter_mut().zip(reals).for_each(|(x, &bits)| *x = R::of(f32::from_bits(bits).into()));
                continue;
            }
            let byte = |j: usize| u32::from(bytes[row * inner + j]);
            if op == Op::None {
                x.iter_mut().enumerate().for_each(|(j, x)| *x = R::of(byte(j).into()) / R::of(255.0));
                continue;
            }
            let first = key.wrapping_mul(p.inner.div_ceil(4));
            for (i, x) in x.chunks_mut(4 * BLOCKS).enumerate() {
                let places = rng.blocks::<BLOCKS>(first.wrapping_add((i * BLOCKS) as u32));
                let mut words = [0; 4 * BLOCKS];
                for q in 0..BLOCKS {
                    for lane in 0..4 {
                        words[4 * q + lane] = places[lane][q];
                    }
                }
                let n = x.len();
                let bytes = &bytes[row * inner + 4 * BLOCKS * i..][..n];
                for j in 0..n {
                    x[j] = R::indicator(lit(words[j], bytes[j].into()));
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        let case = |op: Op, [set, batch, inner]: [usize; 3], streamed: bool, by_example: bool, first: u32, wg: u32| {
            let id = stream("case", inner);
            let p = BatchParams {
                batch: batch as u32,
                inner: inner as u32,
                streamed: streamed.into(),
                stream_lo: id as u32,
                stream_hi: (id >> 32) as u32,
                by_example: by_example.into(),
            };
            let rows = if streamed { batch } else { set };
            let mut data = words((rows * inner).div_ceil(if op == Op::Real { 1 } else { 4 }), set as u32);
            if op == Op::Real {
                // Normal numbers of either sign.
                data.iter_mut().for_each(|w| *w = (*w & 0x83ff_ffff) | 0x3c00_0000);
            } else {
                // 0 and 255 must be certain.
                data.iter_mut().step_by(3).for_each(|w| *w = (*w & 0xffff) | 0x00ff_0000);
            }
            let order: Vec<u32> =
                words(first as usize + batch, 1 + inner as u32).iter().map(|w| w % set as u32).collect();
            let name =
                format!("{op:?} [{set}]→[{batch},{inner}] streamed={streamed} by_example={by_example} first={first}");
            let ins = vec![data.into(), order.into()];
            let mut case = Case::new(name.to_lowercase(), &[op as u32, wg], p, ins, &[batch * inner]);
            case.step.first = first;
            if op == Op::None { case } else { case.exact() }
        };
        let mut cases = Vec::new();
        for op in Op::ALL {
            for (shape, first) in [([1, 1, 1], 0), ([20, 5, 784], 11), ([40, 29, 7], 3), ([100, 65, 1], 0)] {
                let [set, streamed] = [false, true].map(|s| case(op, shape, s, s, first, 64));
                let long = shape[2] == 784;
                let again = long && matches!(op, Op::Dynamic | Op::Real);
                cases.push(if again { set.again() } else { set });
                cases.push(if long && op == Op::Static { streamed.again() } else { streamed });
            }
            cases.push(case(op, [20, 33, 8], true, false, 5, 64));
            cases.push(case(op, [20, 13, 63], false, true, 2, 64));
        }
        // Past the fold of the grid, at the smallest workgroup: two invocations a row.
        cases.push(case(Op::Static, [101, 32_770, 7], false, false, 1, 1));
        cases
    }

    fn timed() -> Vec<Case> {
        let (batch, inner) = (128, 784);
        let p = BatchParams { batch, inner, streamed: 0, stream_lo: 1, stream_hi: 2, by_example: 0 };
        let data = words((batch * inner) as usize / 4, 1);
        let order: Vec<u32> = (0..batch).rev().collect();
        let case = |op: Op| {
            let ins = vec![data.clone().into(), order.clone().into()];
            let name = format!("{op:?} [{batch},{inner}]").to_lowercase();
            let case = Case::new(name, &[op as u32, 64], p, ins, &[(batch * inner) as usize]);
            if op == Op::None { case } else { case.exact() }
        };
        vec![case(Op::Dynamic), case(Op::None)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Call, Params, kernel};

    #[test]
    fn bytes_are_unpacked_and_lit_with_their_probability() {
        let inner = 10_000;
        let p = BatchParams { batch: 1, inner, streamed: 0, stream_lo: 1, stream_hi: 2, by_example: 0 };
        let run = |op: Op, step: u32| {
            let call = Call { consts: vec![op as u32, 64], params: p.words() };
            let (data, mut x) = (vec![0xff_33_00_01u32; inner as usize], vec![f64::NAN; inner as usize]);
            let ins = [In::U(&data), In::U(&[2, 1])];
            kernel("batch").run_f64(&call, &StepRow::new(step, 0, 1, 7), &ins, &mut [Out::F(&mut x)], 0..1);
            x
        };
        let plain = run(Op::None, 0);
        assert_eq!(plain[..4], [1.0 / 255.0, 0.0, 0.2, 1.0]);
        let mean = |x: &[f64], lane: usize| x.iter().skip(lane).step_by(4).sum::<f64>() / f64::from(inner / 4);
        for op in [Op::Dynamic, Op::Static] {
            let x = run(op, 5);
            assert_eq!((mean(&x, 1), mean(&x, 3)), (0.0, 1.0));
            assert!((mean(&x, 2) - 0.2).abs() < 0.03, "{}", mean(&x, 2));
            assert_eq!(x == run(op, 6), op == Op::Static, "only static binarisation ignores the step");
        }
    }
}

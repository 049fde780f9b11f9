//! x\[b, t, i, j\] = pixel (i, j − d_b t) of the b-th example of the batch, over 255 or binarised at random once a sequence:
//! pictures that move by a pixel a step; x: \[batch, frames, height, width\]. Twin of shaders/moving.wgsl.

use super::batch::Op;
use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Work, params, words};
use crate::values::{Philox, Real, lit, stream};
use std::ops::Range;

params! {
    /// Uniform of shaders/moving.wgsl.
    MovingParams {
        /// Examples.
        batch: u32,
        /// Frames of a sequence.
        frames: u32,
        /// Rows of a picture.
        height: u32,
        /// Pixels of a row.
        width: u32,
        /// Whether the data are the batch's rows alone, in order, and not the whole set.
        streamed: u32,
        /// The stream of the draws, low word.
        stream_lo: u32,
        /// High word.
        stream_hi: u32,
        /// Whether draws belong to the example and not to the step, as in evaluation.
        by_example: u32,
    }
}

impl MovingParams {
    fn inner(&self) -> usize {
        (self.height * self.width) as usize
    }
}

/// The steps to the right, modulo `width`, that an example moves in a frame: 1, or all but one.
fn pace(rng: &Philox, block: u32, width: usize) -> usize {
    let right = rng.block(block)[0] & 1 == 1;
    if right { 1 % width } else { (width - 1) % width }
}

/// See the module.
pub struct Moving;

impl Twin for Moving {
    const NAME: &'static str = "moving";
    const WGSL: &'static str = include_str!("../../shaders/moving.wgsl");
    const OVERRIDES: &'static [&'static str] = &["OP", "WG"];
    type Params = MovingParams;

    fn work(c: &Consts, p: &MovingParams) -> Work {
        let stride = p.inner() * p.frames as usize;
        Work {
            items: p.batch as usize,
            chunk: (64 * 1024 / stride.max(1)).max(1),
            strides: [stride; MAX_OUTS],
            workgroups: (u64::from(p.batch) * (p.inner() as u64).div_ceil(4)).div_ceil(u64::from(c[1])),
            // Twice ten rounds of Philox, four lanes in every frame.
            loop_bound: 20 + 4 * (1 + u64::from(p.frames)),
            flops: u64::from(p.batch) * stride as u64,
        }
    }

    fn reads(_: &Consts, p: &MovingParams) -> Vec<usize> {
        // Of the whole set the order says which rows; one at least.
        let rows = if p.streamed != 0 { p.batch as usize } else { 1 };
        vec![(rows * p.inner()).div_ceil(4), p.batch as usize]
    }

    fn describe(c: &Consts, p: &MovingParams) -> String {
        let op = format!("{:?}", Op::ALL[c[0] as usize]).to_lowercase();
        if p.by_example != 0 { format!("{op} by example") } else { op }
    }

    #[inline(always)]
    fn run<R: Real>(
        c: &Consts,
        p: &MovingParams,
        s: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let (op, data, order, x) = (Op::ALL[c[0] as usize], ins[0].u(), ins[1].u(), outs[0].f());
        let (inner, width) = (p.inner(), p.width as usize);
        let fixed = op == Op::Static || p.by_example != 0;
        let time = if fixed { StepRow::EVALUATION } else { s.step };
        let rng = Philox::new(s.seed(), u64::from(p.stream_lo) | u64::from(p.stream_hi) << 32, time);
        let quads = inner.div_ceil(4) as u32;
        let mut picture = vec![R::zero(); inner];
        for (b, x) in items.zip(x.chunks_exact_mut(inner * p.frames as usize)) {
            let id = order[s.first as usize + b];
            let row = if p.streamed != 0 { b } else { id as usize };
            let first = (if fixed { id } else { b as u32 }).wrapping_mul(quads + 1);
            let mut block = [0; 4];
            for (j, v) in picture.iter_mut().enumerate() {
                let k = row * inner + j;
                let byte = data[k / 4] >> (8 * (k % 4)) & 0xff;
                if op == Op::None {
                    *v = R::of(byte.into()) / R::of(255.0);
                    continue;
                }
                if j % 4 == 0 {
                    block = rng.block(first.wrapping_add(j as u32 / 4));
                }
                *v = R::indicator(lit(block[j % 4], byte));
            }
            let pace = pace(&rng, first.wrapping_add(quads), width);
            for (t, frame) in x.chunks_exact_mut(inner).enumerate() {
                let shift = t * pace % width;
                for (to, from) in frame.chunks_exact_mut(width).zip(picture.chunks_exact(width)) {
                    to[shift..].copy_from_slice(&from[..width - shift]);
                    to[..shift].copy_from_slice(&from[width - shift..]);
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        let case = |op: Op,
                    [set, batch, frames, height, width]: [usize; 5],
                    streamed: bool,
                    by_example: bool,
                    wg: u32| {
            let (id, first, inner) = (stream("case", width), if by_example { 0 } else { 3 }, height * width);
            let p = MovingParams {
                batch: batch as u32,
                frames: frames as u32,
                height: height as u32,
                width: width as u32,
                streamed: streamed.into(),
                stream_lo: id as u32,
                stream_hi: (id >> 32) as u32,
                by_example: by_example.into(),
            };
            let rows = if streamed { batch } else { set };
            let data = words((rows * inner).div_ceil(4), set as u32);
            let order: Vec<u32> = words(first + batch, 1 + inner as u32).iter().map(|w| w % set as u32).collect();
            let name = format!(
                "{op:?} [{set}]→[{batch},{frames},{height},{width}] streamed={streamed} by_example={by_example} wg={wg}"
            );
            let ins = vec![data.into(), order.into()];
            let mut case = Case::new(name.to_lowercase(), &[op as u32, wg], p, ins, &[batch * frames * inner]);
            case.step.first = first as u32;
            if op == Op::None { case } else { case.exact() }
        };
        let mut cases = Vec::new();
        for op in Op::BYTES {
            for shape in [[1, 1, 1, 1, 1], [9, 5, 3, 3, 1], [20, 3, 20, 28, 28], [40, 13, 7, 3, 5]] {
                cases.push(case(op, shape, false, false, 64));
                cases.push(case(op, shape, true, true, 64));
            }
            cases.push(case(op, [20, 11, 4, 5, 11], false, true, 64));
        }
        cases.push(case(Op::Dynamic, [20, 29, 3, 7, 9], false, false, 64).again());
        cases.push(case(Op::Static, [20, 29, 3, 7, 9], true, false, 64).again());
        // Past the fold of the grid, at the smallest workgroup: two invocations a row.
        cases.push(case(Op::Static, [101, 32_770, 2, 1, 7], false, false, 1));
        cases
    }

    fn timed() -> Vec<Case> {
        let [batch, frames, side] = [64, 20, 28];
        let p = MovingParams {
            batch,
            frames,
            height: side,
            width: side,
            streamed: 0,
            stream_lo: 1,
            stream_hi: 2,
            by_example: 0,
        };
        let (inner, order) = ((side * side) as usize, (0..batch).rev().collect::<Vec<u32>>());
        let ins = vec![words(batch as usize * inner / 4, 1).into(), order.into()];
        let out = (batch * frames) as usize * inner;
        vec![Case::new(format!("[{batch},{frames},{side},{side}]"), &[Op::Dynamic as u32, 64], p, ins, &[out]).exact()]
    }
}

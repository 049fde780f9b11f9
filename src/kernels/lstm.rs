//! h_t = o_t tanh c_t, c_t = f_t c_{t−1} + i_t g_t: the recurrence of an LSTM over whole sequences, from what the inputs
//! give its gates. Twin of shaders/lstm.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/lstm.wgsl and shaders/lstm_grad.wgsl.
    LstmParams {
        /// Rows of the batch.
        n: u32,
        /// Steps of a sequence.
        time: u32,
        /// Units.
        units: u32,
    }
}

/// The most units: the gates of four rows are shared in a workgroup's memory.
pub const MAX_UNITS: usize = 160;
/// Numbers of a unit and a step that the backward pass needs: i, f, g, o, c, tanh c.
pub const TAPE: usize = 6;
/// Rows of the batch that a workgroup has.
const ROWS: u64 = 4;

/// What one invocation loops, at most: over time, its units, the last step's units by four, and `rows` turns over rows.
pub fn loop_bound(p: &LstmParams, wg: u32, rows: u64) -> u64 {
    let (time, units, wg) = (u64::from(p.time), u64::from(p.units), u64::from(wg));
    let own = units.div_ceil(wg);
    (MAX_UNITS as u64).div_ceil(wg) + time * (1 + own * (1 + units.div_ceil(4) + rows * ROWS))
}

/// Workgroups of the batch.
pub(super) fn workgroups(p: &LstmParams) -> u64 {
    u64::from(p.n).div_ceil(ROWS)
}

/// Rows of one task of the cpu: some 2¹⁸ multiplications.
pub(super) fn chunk(p: &LstmParams) -> usize {
    ((1 << 18) / (4 * p.time * p.units * p.units).max(1) as usize).max(1)
}

/// Weights as small as those that an LSTM begins with, of both signs.
pub(super) fn weights(units: usize) -> Vec<f32> {
    let bound = 1.0 / (units as f32).sqrt();
    values(Values::Unit, 4 * units * units, units as u32).into_iter().map(|u| (2.0 * u - 1.0) * bound).collect()
}

/// See the module.
pub struct Lstm;

impl Twin for Lstm {
    const NAME: &'static str = "lstm";
    const WGSL: &'static str = include_str!("../../shaders/lstm.wgsl");
    const OVERRIDES: &'static [&'static str] = &["TAPE", "WG"];
    type Params = LstmParams;

    fn work(c: &Consts, p: &LstmParams) -> Work {
        let row = (p.time * p.units) as usize;
        let mut strides = [row; MAX_OUTS];
        strides[1] = if c[0] != 0 { TAPE * row } else { 0 };
        Work {
            items: p.n as usize,
            chunk: chunk(p),
            strides,
            workgroups: workgroups(p),
            loop_bound: loop_bound(p, c[1], 2),
            flops: u64::from(p.n * p.time * p.units) * (8 * u64::from(p.units) + 14),
        }
    }

    fn reads(_: &Consts, p: &LstmParams) -> Vec<usize> {
        vec![(p.n * p.time * 4 * p.units) as usize, (4 * p.units * p.units) as usize]
    }

    fn describe(c: &Consts, p: &LstmParams) -> String {
        let tape = if c[0] != 0 { "+tape" } else { "" };
        format!("{} steps{tape}", p.time)
    }

    #[inline(always)]
    fn run<R: Real>(c: &Consts, p: &LstmParams, _: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        let (units, time, taped) = (p.units as usize, p.time as usize, c[0] != 0);
        let (a, w) = (ins[0].f(), ins[1].f());
        let [h, tape, ..] = outs else { unreachable!("two outputs") };
        let (h, tape) = (h.f(), tape.f());
        let (mut cell, mut sums) = (vec![R::zero(); units], vec![R::zero(); 4 * units]);
        for (place, row) in items.enumerate() {
            cell.fill(R::zero());
            for t in 0..time {
                let (a, at) = (&a[(row * time + t) * 4 * units..][..4 * units], (place * time + t) * units);
                let (before, now) = h.split_at_mut(at);
                sums.fill(R::zero());
                if t > 0 {
                    for (&v, w) in before[at - units..].iter().zip(w.chunks_exact(4 * units)) {
                        sums.iter_mut().zip(w).for_each(|(s, &w)| *s = s.add_term(v * w));
                    }
                }
                let gate = |q: usize, j: usize| sums[q * units + j].close_sum(units) + a[q * units + j];
                for j in 0..units {
                    let (i, f) = (gate(0, j).sigmoid(), gate(1, j).sigmoid());
                    let (g, o) = (gate(2, j).tanh(), gate(3, j).sigmoid());
                    cell[j] = f * cell[j] + i * g;
                    let s = cell[j].tanh();
                    now[j] = o * s;
                    if taped {
                        let step = &mut tape[TAPE * at..][..TAPE * units];
                        [i, f, g, o, cell[j], s].into_iter().enumerate().for_each(|(q, v)| step[q * units + j] = v);
                    }
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, [n, time, units]: [usize; 3], tape: bool, wg: u32, a: Vec<f32>| {
            let p = LstmParams { n: n as u32, time: time as u32, units: units as u32 };
            let (name, len) = (format!("{what} [{n},{time},{units}] tape={tape} wg={wg}"), n * time * units);
            let outs = [len, if tape { TAPE * len } else { 1 }];
            let mut case = Case::new(name, &[tape.into(), wg], p, vec![a.into(), weights(units).into()], &outs);
            if !tape {
                // Bound, and left as it is.
                case.outs[1] = super::Before::Value(vec![0.25f32].into());
            }
            case
        };
        let mixed = |[n, time, units]: [usize; 3], extreme: f32| {
            values(Values::Straddling { extreme }, n * time * 4 * units, (n + time + units) as u32)
        };
        let mut cases = Vec::new();
        // One row, around four of them, one unit, units around a workgroup and short of four, the most.
        for s in [[1, 1, 1], [3, 4, 5], [4, 3, 2], [5, 3, 3], [9, 2, 63], [2, 3, 64], [3, 3, 65], [1, 2, MAX_UNITS]] {
            cases.push(case("mixed", s, true, 64, mixed(s, 1000.0)));
        }
        cases.push(case("mixed", [6, 3, 7], false, 64, mixed([6, 3, 7], 20.0)));
        cases.push(case("mixed", [11, 3, 37], true, 64, mixed([11, 3, 37], 20.0)).again());
        // Long ago is not forgotten: an input gate that opens at the first step alone, and cells that keep what they have.
        let long = [2, 300, 3];
        let open = |i: usize| {
            let (t, q) = (i / 12 % 300, i % 12 / 3);
            [if t == 0 { 4.0 } else { -30.0 }, 30.0, 0.5 + 0.25 * (i % 3) as f32, 1.0][q]
        };
        cases.push(case("kept", long, true, 64, (0..2 * 300 * 12).map(open).collect()));
        // Past the fold of the grid, at the smallest workgroup.
        let wide = [4 * 65_536 + 3, 1, 1];
        cases.push(case("mixed", wide, false, 1, mixed(wide, 20.0)));
        cases
    }

    fn timed() -> Vec<Case> {
        let case = |[n, time, units]: [usize; 3]| {
            let p = LstmParams { n: n as u32, time: time as u32, units: units as u32 };
            let (len, a) = (n * time * units, values(Values::Unit, n * time * 4 * units, 1));
            // Small, for what an error may become grows with every step by what the weights of a gate add up to.
            let w: Vec<f32> = weights(units).into_iter().map(|w| w / 64.0).collect();
            let ins = vec![a.into(), w.into()];
            Case::new(format!("[{n},{time},{units}]"), &[1, 64], p, ins, &[len, TAPE * len])
        };
        vec![case([64, 20, 50]), case([64, 200, 50])]
    }
}

//! da of [`lstm`](super::lstm) from the cotangent of its h, backward in time, and what its forward pass kept. Twin of
//! shaders/lstm_grad.wgsl.

use super::lstm::{LstmParams, MAX_UNITS, TAPE, chunk, loop_bound, weights, workgroups};
use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, values};
use crate::values::Real;
use std::ops::Range;

/// See the module.
pub struct LstmGrad;

impl Twin for LstmGrad {
    const NAME: &'static str = "lstm_grad";
    const WGSL: &'static str = include_str!("../../shaders/lstm_grad.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = LstmParams;

    fn work(c: &Consts, p: &LstmParams) -> Work {
        Work {
            items: p.n as usize,
            chunk: chunk(p),
            strides: [(p.time * 4 * p.units) as usize; MAX_OUTS],
            workgroups: workgroups(p),
            // Its own units twice: sums, then gates.
            loop_bound: loop_bound(p, c[0], 1) + u64::from(p.time) * u64::from(p.units.div_ceil(c[0])),
            flops: u64::from(p.n * p.time * p.units) * (8 * u64::from(p.units) + 24),
        }
    }

    fn reads(_: &Consts, p: &LstmParams) -> Vec<usize> {
        let len = (p.n * p.time * p.units) as usize;
        vec![TAPE * len, (4 * p.units * p.units) as usize, len]
    }

    fn describe(_: &Consts, p: &LstmParams) -> String {
        format!("{} steps", p.time)
    }

    #[inline(always)]
    fn run<R: Real>(_: &Consts, p: &LstmParams, _: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        let (units, time) = (p.units as usize, p.time as usize);
        let (tape, w, dh, da) = (ins[0].f(), ins[1].f(), ins[2].f(), outs[0].f());
        let (mut cell, mut later) = (vec![R::zero(); units], vec![R::zero(); units]);
        for (place, row) in items.enumerate() {
            cell.fill(R::zero());
            for t in (0..time).rev() {
                let (at, len) = ((place * time + t) * 4 * units, 4 * units);
                let (now, next) = da[at..].split_at_mut(len);
                later.fill(R::zero());
                if t + 1 < time {
                    for (&v, w) in next[..len].iter().zip(w.chunks_exact(units)) {
                        later.iter_mut().zip(w).for_each(|(s, &w)| *s = s.add_term(v * w));
                    }
                }
                let step = row * time + t;
                let kept = &tape[TAPE * step * units..][..TAPE * units];
                for j in 0..units {
                    let [i, f, g, o, _, s] = std::array::from_fn(|q| kept[q * units + j]);
                    let before = if t > 0 { tape[(TAPE * (step - 1) + 4) * units + j] } else { R::zero() };
                    let one = R::one();
                    let e = dh[step * units + j] + later[j].close_sum(len);
                    let u = e * o * (one - s * s) + cell[j];
                    now[j] = u * g * (i * (one - i));
                    now[units + j] = u * before * (f * (one - f));
                    now[2 * units + j] = u * i * (one - g * g);
                    now[3 * units + j] = e * s * (o * (one - o));
                    cell[j] = u * f;
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, [n, time, units]: [usize; 3], wg: u32, ins: [Vec<f32>; 3]| {
            let p = LstmParams { n: n as u32, time: time as u32, units: units as u32 };
            let name = format!("{what} [{n},{time},{units}] wg={wg}");
            Case::new(name, &[wg], p, ins.map(Into::into).into(), &[n * time * 4 * units])
        };
        // Gates and cells as a forward pass has them, cotangents of any size.
        let mixed = |[n, time, units]: [usize; 3]| {
            let len = n * time * units;
            let tape = values(Values::Unit, TAPE * len, len as u32);
            let signed = |(i, u): (usize, f32)| if matches!(i / units % TAPE, 2 | 4 | 5) { 2.0 * u - 1.0 } else { u };
            let tape = tape.into_iter().enumerate().map(signed).collect();
            [tape, weights(units), values(Values::Straddling { extreme: 100.0 }, len, time as u32)]
        };
        // Of bits and small whole numbers, in few steps: every product and sum is exact.
        let whole = |[n, time, units]: [usize; 3]| {
            let len = n * time * units;
            let small = |v: f32| v.clamp(-1.0, 1.0);
            let tape = values(Values::Integers, TAPE * len, len as u32).into_iter().map(small).collect();
            let w = values(Values::Integers, 4 * units * units, units as u32).into_iter().map(small).collect();
            [tape, w, values(Values::Integers, len, time as u32)]
        };
        let mut cases = Vec::new();
        for s in [[1, 1, 1], [3, 4, 5], [4, 3, 2], [5, 3, 3], [9, 2, 63], [2, 3, 64], [3, 3, 65], [1, 2, MAX_UNITS]] {
            cases.push(case("mixed", s, 64, mixed(s)));
        }
        cases.push(case("mixed", [2, 120, 3], 64, mixed([2, 120, 3])));
        cases.push(case("mixed", [11, 3, 37], 64, mixed([11, 3, 37])).again());
        for s in [[1, 1, 1], [5, 3, 7], [6, 2, 66], [3, 2, MAX_UNITS]] {
            cases.push(case("integers", s, 64, whole(s)).exact());
        }
        // Past the fold of the grid, at the smallest workgroup.
        let wide = [4 * 65_536 + 3, 1, 1];
        cases.push(case("integers", wide, 1, whole(wide)).exact());
        cases
    }

    fn timed() -> Vec<Case> {
        let case = |[n, time, units]: [usize; 3]| {
            let p = LstmParams { n: n as u32, time: time as u32, units: units as u32 };
            let len = n * time * units;
            let [tape, dh] = [TAPE * len, len].map(|len| values(Values::Unit, len, 1).into());
            let ins = vec![tape, weights(units).into(), dh];
            Case::new(format!("[{n},{time},{units}]"), &[64], p, ins, &[4 * len])
        };
        vec![case([64, 20, 50]), case([64, 200, 50])]
    }
}

//! mask\[r, j\] = 1 where x\[r, j\] is among the k largest of row r, at a tie the first ones, else 0. Twin of
//! shaders/top_k.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::cmp::Reverse;
use std::ops::Range;

/// Where k comes from; the discriminant is the override `OP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Op {
    /// The plan
    Const,
    /// The step row
    Scalar,
}

impl Op {
    /// Both, by override value.
    pub const ALL: [Op; 2] = [Op::Const, Op::Scalar];
}

params! {
    /// Uniform of shaders/top_k.wgsl.
    TopKParams {
        /// Rows.
        n: u32,
        /// Elements of a row.
        d: u32,
        /// The ones of a row, of `Const`; of more than d, d.
        k: u32,
        /// The step's scalar of `Scalar`, which is rounded to the nearest whole number, and below 0 taken for 0.
        index: u32,
    }
}

/// Invocations of a workgroup, which has one row: for the longest rows as many as there may be, to stay within the loop
/// bound up to some 1.2 million columns.
pub fn workgroup(d: usize) -> u32 {
    if d <= 4096 { 64 } else { 256 }
}

/// The order of the reals, as integers: −0 is 0, NaN above everything.
fn key(v: f64) -> u64 {
    let bits = (v + 0.0).to_bits();
    if v.is_nan() {
        u64::MAX
    } else if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

/// See the module.
pub struct TopK;

impl Twin for TopK {
    const NAME: &'static str = "top_k";
    const WGSL: &'static str = include_str!("../../shaders/top_k.wgsl");
    const OVERRIDES: &'static [&'static str] = &["OP", "WG"];
    type Params = TopKParams;

    fn work(c: &Consts, p: &TopKParams) -> Work {
        let (d, wg) = (u64::from(p.d), u64::from(c[1]));
        Work {
            items: p.n as usize,
            chunk: (16 * 1024 / p.d.max(1) as usize).max(1),
            strides: [p.d as usize; MAX_OUTS],
            workgroups: p.n.into(),
            // 16 digits, each over the row, four elements an iteration, and over the counts; then the ties.
            loop_bound: 16 * (1 + d.div_ceil(4 * wg) + wg) + wg + 2 * d.div_ceil(wg),
            flops: 0,
        }
    }

    fn reads(_: &Consts, p: &TopKParams) -> Vec<usize> {
        vec![p.n as usize * p.d as usize]
    }

    fn describe(c: &Consts, p: &TopKParams) -> String {
        match Op::ALL[c[0] as usize] {
            Op::Const => format!("{} of {}", p.k.min(p.d), p.d),
            Op::Scalar => format!("scalar {} of {}", p.index, p.d),
        }
    }

    #[inline(always)]
    fn run<R: Real>(c: &Consts, p: &TopKParams, s: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        let d = p.d as usize;
        let k = match Op::ALL[c[0] as usize] {
            Op::Const => p.k as usize,
            Op::Scalar => (s.scalars[p.index as usize] + 0.5).floor() as usize,
        };
        let k = k.min(d);
        let rows = ins[0].f()[items.start * d..items.end * d].chunks(d);
        for (x, mask) in rows.zip(outs[0].f().chunks_mut(d)) {
            let mut order: Vec<(Reverse<u64>, usize)> =
                x.iter().enumerate().map(|(j, v)| (Reverse(key(v.f64())), j)).collect();
            if 0 < k && k < d {
                order.select_nth_unstable(k - 1);
            }
            mask.fill(R::zero());
            order[..k].iter().for_each(|&(_, j)| mask[j] = R::one());
        }
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, op: Op, x: Vec<f32>, d: usize, k: u32, wg: u32| {
            // Scalar i of a case's step is ¼ + i/64; k here is its index.
            let (k, index) = if op == Op::Scalar { (0, k) } else { (k, 0) };
            let n = x.len() / d;
            let p = TopKParams { n: n as u32, d: d as u32, k, index };
            let name = format!("{what} [{n},{d}] {op:?} k={k} index={index}").to_lowercase();
            Case::new(name, &[op as u32, wg], p, vec![x.into()], &[n * d]).exact()
        };
        let some = |kind, n: usize, d: usize| values(kind, n * d, (n + d) as u32);
        let mixed = Values::Straddling { extreme: 1000.0 };
        let mut cases = Vec::new();
        // A row shorter than a workgroup, around it, around four elements each; none, one, some, all but one, all.
        for (n, d) in [(3, 1), (2, 2), (5, 63), (3, 64), (4, 65), (3, 255), (2, 256), (3, 257), (7, 997)] {
            let d32 = d as u32;
            let mut ks = vec![0, 1, d32 / 3, d32 - 1, d32, d32 + 1];
            ks.sort_unstable();
            ks.dedup();
            cases.extend(ks.into_iter().map(|k| {
                let case = case("mixed", Op::Const, some(mixed, n, d), d, k, 64);
                // Some of a row that is longer than a turn of the largest workgroup.
                if d == 997 && k == d32 / 3 { case.again() } else { case }
            }));
            // Seven values: mostly ties.
            cases.push(case("ties", Op::Const, some(Values::Integers, n, d), d, d32.div_ceil(2), 64));
            cases.push(case("unit", Op::Const, some(Values::Unit, n, d), d, d32.div_ceil(4), 64));
        }
        cases.push(case("equal", Op::Const, vec![-1.5; 2 * 130], 130, 77, 64));
        // Every kind of number there is, neighbours in the last bit and in the first ones, in every order by rows.
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let bits = |b: u32| f32::from_bits(b);
        let odd = [
            0.0,
            -0.0,
            nan,
            -inf,
            1.0,
            bits(0x3f80_0001),
            -1.0,
            bits(0xbf80_0001),
            1e-40,
            -1e-40,
            inf,
            f32::MAX,
            f32::MIN,
            bits(0xff80_0001),
            bits(0x7fff_ffff),
            2.0,
            0.5,
            -0.0,
            0.0,
        ];
        let turned: Vec<f32> = (0..odd.len()).flat_map(|r| (0..odd.len()).map(move |j| odd[(r + j) % 19])).collect();
        for k in 0..=odd.len() as u32 {
            cases.push(case("odd", Op::Const, turned.clone(), odd.len(), k, 64));
        }
        // Positive words that differ in one bit each: every digit of the key decides once.
        let powers: Vec<f32> = (0..31).map(|b| bits(1 << b)).filter(|v| v.is_finite()).collect();
        let both: Vec<f32> =
            powers.iter().chain(&powers).enumerate().map(|(i, &v)| if i % 3 == 0 { -v } else { v }).collect();
        for k in [1, 9, 20, 31, 47] {
            cases.push(case("bits", Op::Const, both.clone(), both.len(), k, 64));
        }
        // ¼ and 1.1 round down, 0.5 and 0.95 up; scalars of every lane.
        for index in [0, 15, 16, 17, 18, 45, 55] {
            cases.push(case("scheduled", Op::Scalar, some(mixed, 2, 65), 65, index, 64));
        }
        for (scalar, name) in
            [(-3.0, "below 0"), (4.5, "half"), (64.49, "almost all"), (1e9, "far above d"), (3e38, "huge")]
        {
            let mut c = case(name, Op::Scalar, some(mixed, 2, 65), 65, 6, 64);
            c.step.scalars[6] = scalar;
            cases.push(if name == "half" { c.again() } else { c });
        }
        // More columns than llvmpipe lets one invocation loop over; ties at both ends of the row.
        for (kind, k) in [(mixed, 35_001), (Values::Integers, 1), (Values::Integers, 47_123), (Values::Unit, 70_000)] {
            cases.push(case(&format!("long {kind:?}"), Op::Const, some(kind, 1, 70_001), 70_001, k, 256));
        }
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case("folded grid", Op::Const, some(Values::Integers, 65_538, 2), 2, 1, 1));
        cases
    }

    fn timed() -> Vec<Case> {
        let (n, d, k) = (128, 1000, 25);
        let p = TopKParams { n: n as u32, d: d as u32, k, index: 0 };
        let consts = [Op::Const as u32, workgroup(d)];
        let x = values(Values::Unit, n * d, 1);
        vec![Case::new(format!("[{n},{d}] k={k}"), &consts, p, vec![x.into()], &[n * d]).exact()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_the_numbers() {
        let x = [f64::NEG_INFINITY, -2.0, -1e-300, 0.0, 1e-310, 0.5, f64::INFINITY, f64::NAN];
        assert!(x.windows(2).all(|w| key(w[0]) < key(w[1])));
        assert_eq!(key(-0.0), key(0.0));
        assert_eq!(key(-f64::NAN), key(f64::NAN));
    }
}

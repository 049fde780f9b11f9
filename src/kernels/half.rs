//! y = x as binary16, two to a word, 0 behind the last of an odd number; x: \[n\], y: \[⌈n / 2⌉\] words. Twin of
//! shaders/half.wgsl.
//!
//! Rounded to the nearest, of two to the even one; what is below 2⁻¹⁴, where binary16 is subnormal and devices differ, to 0; from
//! 65520 on to infinity; NaN is kept.

use super::{Before, Case, Consts, In, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::{DType, Real};
use half::f16;
use std::ops::Range;

params! {
    /// Uniform of shaders/half.wgsl.
    HalfParams {
        /// Elements of x.
        n: u32,
    }
}

/// 2⁻¹⁴, the smallest normal binary16.
pub const SMALLEST: f64 = 1.0 / 16_384.0;

/// The bits of a number as binary16.
#[inline(always)]
pub fn half_of(v: f64) -> u16 {
    let bits = f16::from_f64(v).to_bits();
    match v {
        _ if v.is_nan() => bits & 0x8000 | 0x7e00,
        _ if v.abs() < SMALLEST => bits & 0x8000,
        _ => bits,
    }
}

/// Numbers as words of two.
pub fn pack<R: Real>(x: &[R], y: &mut [u32]) {
    for (y, x) in y.iter_mut().zip(x.chunks(2)) {
        let second = x.get(1).map_or(0, |x| half_of(x.f64()));
        *y = u32::from(half_of(x[0].f64())) | u32::from(second) << 16;
    }
}

/// The numbers that stand two to a word.
pub fn unpack<R: Real>(words: &[u32]) -> Vec<R> {
    let number = |bits: u32| R::of(f16::from_bits(bits as u16).to_f64());
    words.iter().flat_map(|&w| [number(w), number(w >> 16)]).collect()
}

/// See the module.
pub struct Half;

impl Twin for Half {
    const NAME: &'static str = "half";
    const WGSL: &'static str = include_str!("../../shaders/half.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = HalfParams;

    fn work(c: &Consts, p: &HalfParams) -> Work {
        Work::elementwise(p.n.div_ceil(2) as usize, c[0], 2)
    }

    fn reads(_: &Consts, p: &HalfParams) -> Vec<usize> {
        vec![p.n as usize]
    }

    fn describe(_: &Consts, _: &HalfParams) -> String {
        String::new()
    }

    fn run<R: Real>(_: &Consts, p: &HalfParams, _: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        pack(&ins[0].f()[2 * items.start..(2 * items.end).min(p.n as usize)], outs[0].u());
    }

    fn cases() -> Vec<Case> {
        let mut cases: Vec<Case> = [1, 2, 63, 128, 129, 997].map(|n| case(n, 64, values(ODD, n, 0))).into();
        // What rounding decides: ties both ways, the ends of the normal numbers, a carry into the next power of two, what overflows.
        let decided = [
            1.0 + 1.0 / 2048.0,
            1.0 + 3.0 / 2048.0,
            -(1.0 + 1.0 / 2048.0),
            1.0 + 1.0001 / 2048.0,
            2047.9,
            65504.0,
            65519.9,
            65520.0,
            -65520.0,
            1e30,
            6.1035156e-5,
            6.103e-5,
            6.1020e-5,
            -6e-5,
            1e-7,
            -1e-7,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            -0.0,
        ];
        cases.push(case(decided.len(), 64, decided.into()));
        cases.push(case(50_001, 64, values(ODD, 50_001, 1)).again());
        // Past the fold of the grid, at the smallest workgroup.
        cases.push(case(2 * (65_535 + 3), 1, values(Values::Integers, 2 * (65_535 + 3), 2)));
        cases
    }
}

/// Of both signs, from what overflows to what is too small, so that the shares of a word differ.
const ODD: Values = Values::Straddling { extreme: 70_000.0 };

fn case(n: usize, wg: u32, x: Vec<f32>) -> Case {
    let p = HalfParams { n: n as u32 };
    let case = Case::new(format!("n={n} wg {wg}"), &[wg], p, vec![x.into()], &[]);
    case.outs(vec![Before::Poison(DType::U32, n.div_ceil(2))]).exact()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_the_nearest_that_is_no_subnormal() {
        let x = [1.5, -2049.0, 2051.0, 65519.0, 65520.0, 6.2e-5, 6e-5];
        let mut words = [0; 4];
        pack::<f64>(&x, &mut words);
        let back: Vec<f64> = unpack(&words);
        assert_eq!(back[..5], [1.5, -2048.0, 2052.0, 65504.0, f64::INFINITY]);
        assert!((back[5] / 6.2e-5 - 1.0).abs() < 1.0 / 2048.0 && back[6..] == [0.0, 0.0], "{back:?}");
    }
}

//! [`Real`] at f32: polynomials without branches, within 4 ulp of f64 (tested below), so that loops over them
//! vectorise. Range reduction and coefficients: Cephes (`expf`, `logf`, `sinf`), restated.

use super::Real;

const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;
/// 1.5 · 2²³: adding it rounds a float to an integer, which then stands in the low bits of the mantissa.
const ROUND: f32 = 12_582_912.0;

#[inline(always)]
fn exp(x: f32) -> f32 {
    // Beyond these the result is 0 or infinite anyway; `clamp` keeps NaN.
    let x = x.clamp(-104.0, 89.0);
    let t = x * std::f32::consts::LOG2_E + ROUND;
    let n = t - ROUND;
    let r = x - n * LN2_HI - n * LN2_LO;
    let p = 1.987_569_1e-4_f32;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let p = p * (r * r) + r + 1.0;
    // 2ⁿ in two halves: n runs from −150 to 128, past the exponents of a single factor.
    let k = t.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = k >> 1;
    let pow2 = |e: i32| f32::from_bits(((e + 127) as u32) << 23);
    p * pow2(half) * pow2(k - half)
}

#[inline(always)]
fn ln(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x };
    // Mantissa into [√½, √2): subtract the bits of √½, keep the exponent part, put the rest back.
    let shifted = scaled.to_bits().wrapping_sub(0x3F35_04F3);
    let e = (shifted as i32) >> 23;
    let m = f32::from_bits((shifted & 0x007F_FFFF).wrapping_add(0x3F35_04F3));
    let e = e as f32 - if tiny { 23.0 } else { 0.0 };
    let f = m - 1.0;
    let z = f * f;
    let p = 7.037_683_6e-2_f32;
    let p = p * f - 1.151_461e-1;
    let p = p * f + 1.167_699_9e-1;
    let p = p * f - 1.242_014_1e-1;
    let p = p * f + 1.424_932_3e-1;
    let p = p * f - 1.666_805_7e-1;
    let p = p * f + 2.000_071_5e-1;
    let p = p * f - 2.499_999_4e-1;
    let p = p * f + 3.333_333e-1;
    let y = f * z * p + e * LN2_LO - 0.5 * z;
    let y = f + y + e * LN2_HI;
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    let y = if x == f32::INFINITY { x } else { y };
    if x >= 0.0 { y } else { f32::NAN }
}

#[inline(always)]
fn ln_1p(x: f32) -> f32 {
    // ln(u)·x/(u − 1) with u = 1 + x rounded: the rounding of u cancels (Higham, Accuracy and Stability, §1.14.1).
    let u = 1.0 + x;
    let d = u - 1.0;
    let y = ln(u) * (x / d);
    let y = if d == 0.0 { x } else { y };
    if u == f32::INFINITY { u } else { y }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    let e = exp(-x.abs());
    let r = 1.0 / (1.0 + e);
    if x >= 0.0 { r } else { e * r }
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    let c = x.clamp(-15.0, 15.0);
    let q = c * c;
    // Cephes tanhf: an odd polynomial below 0.625, 1 − 2/(e²ˣ + 1) above.
    let p = -5.704_988_7e-3_f32;
    let p = p * q + 2.063_909e-2;
    let p = p * q - 5.373_971_5e-2;
    let p = p * q + 1.333_144_2e-1;
    let p = p * q - 3.333_328e-1;
    let small = p * q * c + c;
    let large = (1.0 - 2.0 / (exp(2.0 * c.abs()) + 1.0)).copysign(c);
    if c.abs() < 0.625 { small } else { large }
}

#[inline(always)]
fn sin_cos_turns(u: f32) -> (f32, f32) {
    // The quadrant and the rest are exact: u has 24 bits below 1.
    let q = (u * 4.0 + ROUND) - ROUND;
    let r = (u - q * 0.25) * std::f32::consts::TAU;
    let z = r * r;
    let s = ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1) * z * r + r;
    let c = ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2) * z * z - 0.5 * z + 1.0;
    let k = (q as i32) & 3;
    let (a, b) = if k & 1 == 0 { (s, c) } else { (c, s) };
    (if k & 2 == 0 { a } else { -a }, if k == 1 || k == 2 { -b } else { b })
}

impl Real for f32 {
    #[inline(always)]
    fn of(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        exp(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        ln(self)
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        ln_1p(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        tanh(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        sigmoid(self)
    }
    #[inline(always)]
    fn softplus(self) -> Self {
        self.at_least(0.0) + ln_1p(exp(-self.abs()))
    }
    #[inline(always)]
    fn sin_cos_turns(self) -> (Self, Self) {
        sin_cos_turns(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }
    #[inline(always)]
    fn finite(self) -> bool {
        self.is_finite()
    }
    /// Sixteen running sums over fixed lanes, so that the loop vectorises.
    #[inline(always)]
    fn sum(terms: &[Self]) -> Self {
        let mut lanes = [0.0f32; 16];
        let chunks = terms.chunks_exact(16);
        let rest = chunks.remainder().iter().fold(0.0, |s, &t| s + t);
        for c in chunks {
            for (l, &t) in lanes.iter_mut().zip(c) {
                *l += t;
            }
        }
        lanes.iter().fold(rest, |s, &l| s + l)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// |got − want| in units of the last place of `want` as an f32 (of the smallest normal below it: flushing is allowed).
    fn ulps(got: f32, want: f64) -> f64 {
        let w = want as f32;
        if w.is_infinite() || want.is_nan() {
            return if got.to_bits() == w.to_bits() || (got.is_nan() && want.is_nan()) { 0.0 } else { f64::INFINITY };
        }
        let scale = f64::from(w.abs().max(f32::MIN_POSITIVE)) * f64::from(f32::EPSILON) / 2.0;
        (f64::from(got) - want).abs() / scale
    }

    fn worst(f: impl Fn(f32) -> f32, g: impl Fn(f64) -> f64, lo: f32, hi: f32) -> (f64, f32) {
        let n = 400_000;
        let mut worst = (0.0, 0.0);
        for i in 0..=n {
            let x = lo + (hi - lo) * (i as f32 / n as f32);
            let u = ulps(f(x), g(f64::from(x)));
            if u > worst.0 || u.is_nan() {
                worst = (u, x);
            }
        }
        worst
    }

    #[test]
    fn within_four_ulp_of_f64() {
        type F = (&'static str, fn(f32) -> f32, fn(f64) -> f64, f32, f32);
        let functions: [F; 12] = [
            ("exp", Real::exp, f64::exp, -110.0, 90.0),
            ("exp near 0", Real::exp, f64::exp, -1.0, 1.0),
            ("ln", Real::ln, f64::ln, 0.0, 3.0),
            ("ln, large", Real::ln, f64::ln, 1.0, 3e38),
            ("ln_1p", Real::ln_1p, f64::ln_1p, -0.9, 1.0),
            ("ln_1p, small", Real::ln_1p, f64::ln_1p, -1e-4, 1e-4),
            ("sigmoid", Real::sigmoid, Real::sigmoid, -80.0, 80.0),
            ("softplus", Real::softplus, Real::softplus, -80.0, 80.0),
            ("tanh", Real::tanh, f64::tanh, -20.0, 20.0),
            ("tanh, small", Real::tanh, f64::tanh, -0.7, 0.7),
            ("sqrt", Real::sqrt, f64::sqrt, 0.0, 1e6),
            ("abs", Real::abs, f64::abs, -3.0, 3.0),
        ];
        for (name, f, g, lo, hi) in functions {
            let (u, x) = worst(f, g, lo, hi);
            assert!(u <= 4.0, "{name} is off by {u:.2} ulp at {x:e}");
        }
    }

    #[test]
    fn sine_and_cosine_of_turns_are_within_two_ulp_of_one() {
        for i in 0..(1u32 << 18) {
            let u = i as f32 / (1u32 << 18) as f32;
            let (s, c) = Real::sin_cos_turns(u);
            let (s64, c64) = (std::f64::consts::TAU * f64::from(u)).sin_cos();
            let e = (f64::from(s) - s64).abs().max((f64::from(c) - c64).abs());
            assert!(e <= 2.4e-7, "off by {e:e} at {u}");
        }
    }

    #[test]
    fn no_function_hides_a_nan() {
        let nan = f32::NAN;
        let (s, c) = Real::sin_cos_turns(nan);
        let out = [Real::exp(nan), Real::ln(nan), Real::tanh(nan), Real::sigmoid(nan), Real::softplus(nan), s, c];
        assert!(out.iter().all(|v| v.is_nan()), "{out:?}");
        assert!(nan.at_least(0.0).is_nan() && nan.at_most(0.0).is_nan());
    }
}

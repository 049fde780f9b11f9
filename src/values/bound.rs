//! [`Bound`]: a twin run in this arithmetic yields, for every output, how far an honest f32 device may be off.
//!
//! Running error analysis (Higham, Accuracy and Stability, §3.3): each value carries its first-order error `e` and
//! the magnitude `m` of what it was summed from. The constants below are the only place where a tolerance is set;
//! the rig (tests/rig) has no number of its own.

use super::Real;
use std::cmp::Ordering;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// Half a unit in the last place of an f32, relative.
const EPS: f64 = f32::EPSILON as f64 / 2.0;
/// WGSL: `+ - *` may give either neighbour, so a whole ulp; `fma` may or may not fuse, which is inside it.
const ARITHMETIC: f64 = 2.0 * EPS;
/// WGSL: 2.5 ulp.
const DIVISION: f64 = 5.0 * EPS;
/// WGSL: √x is inherited from 1/inverseSqrt(x), 2 ulp and a division.
const SQRT: f64 = 9.0 * EPS;
/// The compositions of lib/numerics.wgsl: their measured relative error on two implementations is below 4e-6. Stricter
/// than WGSL, which lets tanh be off by 1e-5 absolute: an adapter that uses that up is reported as wrong, and is worth a
/// report, as training loses accuracy there that no one else's does.
const COMPOSED: f64 = 1e-5;
/// The polynomial of lib/numerics.wgsl, absolute.
const SIN_COS: f64 = 1e-6;
/// What a flush of subnormals can cost, absolute.
const TINY: f64 = f32::MIN_POSITIVE as f64;
/// A sum of k terms in any order: c·√k·ε·Σ|terms|. The integer cases of the rig catch what this cannot see.
const SUM: f64 = 4.0;

/// A value with the error that f32 arithmetic may have made on a device that keeps what WGSL promises and, where
/// `COMPOSED` says so, a little more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bound {
    /// The value, at f64.
    pub value: f64,
    /// How far an f32 result may be from it.
    pub error: f64,
    /// Σ|terms|: the magnitude that cancellation has hidden.
    magnitude: f64,
}

impl Bound {
    fn new(value: f64, error: f64, magnitude: f64) -> Self {
        Self { value, error: error + TINY, magnitude }
    }

    /// A function of one argument: its value, its slope there, and the relative and absolute error of computing it.
    fn through(self, value: f64, slope: f64, relative: f64, absolute: f64) -> Self {
        let error = slope.abs() * self.error + relative * value.abs() + absolute;
        Self::new(value, error, value.abs())
    }

    /// The one of two that a maximum or minimum takes: where their errors overlap, a device may take the other.
    fn instead_of(self, other: Self) -> Self {
        let apart = (self.value - other.value).abs();
        let overlap = apart <= self.error + other.error;
        Self { error: if overlap { self.error.max(apart + other.error) } else { self.error }, ..self }
    }
}

impl PartialEq for Bound {
    fn eq(&self, o: &Self) -> bool {
        self.value == o.value
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, o: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&o.value)
    }
}

impl Add for Bound {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        let (value, magnitude) = (self.value + o.value, self.magnitude + o.magnitude);
        Self::new(value, self.error + o.error + ARITHMETIC * magnitude, magnitude)
    }
}

impl AddAssign for Bound {
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl Neg for Bound {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, ..self }
    }
}

impl Sub for Bound {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        self + -o
    }
}

impl Mul for Bound {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        let value = self.value * o.value;
        let carried = self.value.abs() * o.error + o.value.abs() * self.error + self.error * o.error;
        Self::new(value, carried + ARITHMETIC * value.abs(), self.magnitude * o.magnitude)
    }
}

impl Div for Bound {
    type Output = Self;
    fn div(self, o: Self) -> Self {
        let value = self.value / o.value;
        // The divisor's error may not be first order: bound by the smallest divisor that it allows.
        let least = (o.value.abs() - o.error).max(f64::MIN_POSITIVE);
        let carried = (self.error + value.abs() * o.error) / least;
        Self::new(value, carried + DIVISION * value.abs(), value.abs())
    }
}

impl Real for Bound {
    fn of(x: f64) -> Self {
        // A device may read a subnormal as 0.
        let error = if x.abs() < TINY { x.abs() } else { 0.0 };
        Self { value: x, error, magnitude: x.abs() }
    }
    fn f64(self) -> f64 {
        self.value
    }
    fn exp(self) -> Self {
        // WGSL: 3 + 2|x| ulp. The slope is the value; a large error of x is carried as e^δ − 1.
        let value = self.value.exp();
        let relative = (3.0 + 2.0 * self.value.abs()) * 2.0 * EPS + self.error.exp_m1();
        Self::new(value, value * relative, value)
    }
    fn ln(self) -> Self {
        // WGSL: 2⁻²¹ absolute in [½, 2], 3 ulp outside; measured 6.6e-6 absolute at 1e±30, inside 3 ulp there.
        let absolute = if (0.5..=2.0).contains(&self.value) { 2f64.powi(-21) } else { 0.0 };
        self.through(self.value.ln(), 1.0 / self.value, 6.0 * EPS, absolute)
    }
    fn ln_1p(self) -> Self {
        self.through(self.value.ln_1p(), 1.0 / (1.0 + self.value), COMPOSED, 0.0)
    }
    fn sqrt(self) -> Self {
        let value = self.value.sqrt();
        // At 0 the slope is infinite: √(x + e) − √x is at most √e.
        let carried = (self.error / value.max(f64::MIN_POSITIVE)).min(self.error.sqrt());
        Self::new(value, carried + SQRT * value, value)
    }
    fn tanh(self) -> Self {
        let value = self.value.tanh();
        self.through(value, 1.0 - value * value, COMPOSED, 0.0)
    }
    fn sigmoid(self) -> Self {
        let value = Real::sigmoid(self.value);
        self.through(value, value * (1.0 - value), COMPOSED, 0.0)
    }
    fn softplus(self) -> Self {
        self.through(Real::softplus(self.value), Real::sigmoid(self.value), COMPOSED, 0.0)
    }
    fn sin_cos_turns(self) -> (Self, Self) {
        let (s, c) = Real::sin_cos_turns(self.value);
        let tau = std::f64::consts::TAU;
        (self.through(s, tau * c, 0.0, SIN_COS), self.through(c, tau * s, 0.0, SIN_COS))
    }
    fn abs(self) -> Self {
        Self { value: self.value.abs(), ..self }
    }
    fn at_least(self, floor: Self) -> Self {
        if self < floor { floor.instead_of(self) } else { self.instead_of(floor) }
    }
    fn at_most(self, roof: Self) -> Self {
        if self > roof { roof.instead_of(self) } else { self.instead_of(roof) }
    }
    fn add_term(self, t: Self) -> Self {
        Self { value: self.value + t.value, error: self.error + t.error, magnitude: self.magnitude + t.magnitude }
    }
    fn close_sum(self, terms: usize) -> Self {
        let rounding = SUM * (terms as f64).sqrt() * EPS * self.magnitude;
        Self::new(self.value, self.error + rounding, self.magnitude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound must hold for f32 arithmetic, and must not be so wide that it holds for anything.
    #[test]
    fn bounds_hold_and_are_tight_enough_to_fail() {
        let terms: Vec<f32> = (0..1000).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect();
        let wide: Vec<Bound> = terms.iter().map(|&t| Bound::of(f64::from(t))).collect();
        let b = Bound::sum(&wide);
        let got = f64::from(f32::sum(&terms));
        assert!((got - b.value).abs() <= b.error, "{got} against {b:?}");
        assert!(b.error < 1e-2, "a lost term of size 0.01 must show: {b:?}");
        let x = Bound::of(0.3).exp() * Bound::of(2.0) - Bound::of(1.0);
        let y = f64::from(0.3f32.exp() * 2.0 - 1.0);
        assert!((y - x.value).abs() <= x.error && x.error < 3e-6, "{x:?}");
    }
}

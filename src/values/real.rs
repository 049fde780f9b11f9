//! [`Real`]: the arithmetic in which a kernel's twin is written once, and which runs it as oracle (f64), as fast CPU
//! code (f32) or as an error analysis ([`Bound`](super::Bound)).

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// Real arithmetic. std's functions at f64; branch-free polynomials at f32, so that loops vectorise; compositions
/// (softplus, sigmoid, tanh, log1p) are written as in `shaders/lib/numerics.wgsl`.
pub trait Real:
    Copy
    + Send
    + Sync
    + PartialOrd
    + Default
    + std::fmt::Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + 'static
{
    /// The nearest value to `x`.
    fn of(x: f64) -> Self;
    /// The value at f64.
    fn f64(self) -> f64;
    /// eˣ.
    fn exp(self) -> Self;
    /// The natural logarithm; relative accuracy near 1 is not promised (see [`Real::ln_1p`]).
    fn ln(self) -> Self;
    /// ln(1 + x), accurate near 0.
    fn ln_1p(self) -> Self;
    /// √x.
    fn sqrt(self) -> Self;
    /// tanh x.
    fn tanh(self) -> Self;
    /// 1 / (1 + e⁻ˣ).
    fn sigmoid(self) -> Self;
    /// ln(1 + eˣ).
    fn softplus(self) -> Self;
    /// (sin 2πu, cos 2πu) for u in [0, 1).
    fn sin_cos_turns(self) -> (Self, Self);
    /// |x|.
    fn abs(self) -> Self;
    /// `self` where it is above `floor` or NaN, else `floor`. (A NaN must not be hidden.)
    #[inline(always)]
    fn at_least(self, floor: Self) -> Self {
        if self < floor { floor } else { self }
    }
    /// `self` where it is below `roof` or NaN, else `roof`.
    #[inline(always)]
    fn at_most(self, roof: Self) -> Self {
        if self > roof { roof } else { self }
    }
    /// Whether this is neither infinite nor NaN.
    fn finite(self) -> bool {
        self.f64().is_finite()
    }
    /// Adds one term of a sum of many; [`Real::close_sum`] ends the sum.
    #[inline(always)]
    fn add_term(self, term: Self) -> Self {
        self + term
    }
    /// Ends a sum of `terms` terms (where rounding is accounted for, it is accounted for here).
    #[inline(always)]
    fn close_sum(self, _terms: usize) -> Self {
        self
    }
    /// Σ of a slice, in an order that is fixed for its length.
    fn sum(terms: &[Self]) -> Self {
        let s = terms.iter().fold(Self::default(), |s, &t| s.add_term(t));
        s.close_sum(terms.len())
    }
    /// 0 (the default value).
    #[inline(always)]
    fn zero() -> Self {
        Self::default()
    }
    /// 1.
    #[inline(always)]
    fn one() -> Self {
        Self::of(1.0)
    }
    /// 1 where `yes`, else 0.
    #[inline(always)]
    fn indicator(yes: bool) -> Self {
        if yes { Self::one() } else { Self::zero() }
    }
}

impl Real for f64 {
    fn of(x: f64) -> Self {
        x
    }
    fn f64(self) -> f64 {
        self
    }
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn ln(self) -> Self {
        f64::ln(self)
    }
    fn ln_1p(self) -> Self {
        f64::ln_1p(self)
    }
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    fn tanh(self) -> Self {
        f64::tanh(self)
    }
    fn sigmoid(self) -> Self {
        let e = (-self.abs()).exp();
        if self >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
    }
    fn softplus(self) -> Self {
        self.at_least(0.0) + f64::ln_1p((-self.abs()).exp())
    }
    fn sin_cos_turns(self) -> (Self, Self) {
        (std::f64::consts::TAU * self).sin_cos()
    }
    fn abs(self) -> Self {
        f64::abs(self)
    }
}

//! Corruptions x → x̃ (Vincent et al. 2010, §4.3): functions of a scope, under which the noise is drawn, the clean x and a
//! level. Another corruption is another function here.

use super::Scope;
use crate::graph::{Count, Tensor};

/// A corrupted batch: \[batch, features\] each.
#[derive(Clone, Copy, Debug)]
pub struct Corrupted<'g> {
    /// x̃.
    pub x: Tensor<'g>,
    /// 1 at the dimensions that were corrupted, whether or not their value changed, else 0.
    pub mask: Tensor<'g>,
}

/// Masking noise: x̃ᵢ = 0 at round(νd) of the d dimensions of each example (at one, if ν > 0), all choices alike; `level`
/// is ν. They are those with the largest of d uniform numbers.
pub fn masking<'g>(net: &Scope<'g>, x: Tensor<'g>, level: f64) -> Corrupted<'g> {
    let k = ((level * x.shape().last() as f64).round() as usize).max(usize::from(level > 0.0));
    masked(x, uniform(net, x).top_k(Count::Fixed(k)))
}

/// Masking noise of every dimension on its own: x̃ᵢ = 0 with probability ν; `level` is ν.
pub fn masking_bernoulli<'g>(net: &Scope<'g>, x: Tensor<'g>, level: f64) -> Corrupted<'g> {
    masked(x, below(uniform(net, x), level))
}

/// Gaussian noise: x̃ = x + σε, ε ~ N(0, I), not clipped; `level` is σ, in units of x. Every dimension is corrupted.
pub fn gaussian<'g>(net: &Scope<'g>, x: Tensor<'g>, level: f64) -> Corrupted<'g> {
    let noise = like(net.normal(&drawn(x)), x);
    Corrupted { x: x + noise * level, mask: x.like(1.0) }
}

/// Salt-and-pepper noise: with probability ν, x̃ᵢ is 0 or 1 by a fair coin; `level` is ν.
pub fn salt_and_pepper<'g>(net: &Scope<'g>, x: Tensor<'g>, level: f64) -> Corrupted<'g> {
    let u = uniform(net, x);
    // Of the u below ν, half are below ν/2: the coin needs no draw of its own.
    let (mask, salt) = (below(u, level), below(u, level / 2.0));
    Corrupted { x: masked(x, mask).x + salt, mask }
}

/// Dropout (Srivastava et al. 2014): each number is 0 with probability ν, and else x/(1 − ν), so that its mean is x; `level`
/// is ν, below 1.
pub fn dropout<'g>(net: &Scope<'g>, x: Tensor<'g>, level: f64) -> Tensor<'g> {
    masking_bernoulli(net, x, level).x * (1.0 / (1.0 - level))
}

/// x where the mask is 0, and 0 where it is 1.
fn masked<'g>(x: Tensor<'g>, mask: Tensor<'g>) -> Corrupted<'g> {
    Corrupted { x: x * (1.0 - mask), mask }
}

/// 1 where u < p, else 0.
fn below(u: Tensor<'_>, p: f64) -> Tensor<'_> {
    u.like(p).greater(u)
}

/// One number of (0, 1) a dimension.
fn uniform<'g>(net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
    like(net.uniform(&drawn(x)), x)
}

/// The shape of one draw a dimension: \[1, batch, features\].
fn drawn(x: Tensor<'_>) -> Vec<usize> {
    [&[1], x.shape().dims()].concat()
}

/// The draw in the shape of x.
fn like<'g>(draw: Tensor<'g>, x: Tensor<'g>) -> Tensor<'g> {
    let draw = draw.reshape(x.shape().dims());
    x.batch_axis().map_or(draw, |axis| draw.with_batch_axis(axis))
}

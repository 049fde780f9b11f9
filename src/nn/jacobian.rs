//! ‖J‖²_F, the squared Frobenius norm of the Jacobian J = ∂h/∂x of a dense encoder, of each example: in closed form,
//! row by row, and by random directions. What contractive autoencoders add to their loss (Rifai et al. 2011); all three
//! can be differentiated.

use super::{Layer, Scope};
use crate::config::Activation;
use crate::graph::{Axes, BATCH, FEATURES, SAMPLES, Tensor, partial};
use crate::kernels::matmul_vec4::Act;
use std::ops::Range;

/// ‖J‖²_F = Σ_j f′(a_j)² r_j with r_j = Σ_i W_ji², of an encoder of one layer: \[batch\] (Rifai et al. 2011, eq. 9).
pub fn closed_form<'g>(layer: &Layer<'g>) -> Tensor<'g> {
    let r = layer.weight.square().sum(Axes::Numbered(1, 2));
    let fused = match layer.activation {
        Activation::Linear => Act::None,
        Activation::Relu => Act::Relu,
        Activation::Sigmoid => Act::Sigmoid,
        Activation::Tanh => Act::Tanh,
        // Its slope is no plain function of h.
        Activation::Softplus => return (layer.slope().square() * r).sum(FEATURES),
    };
    layer.after.jacobian_penalty(r, fused)
}

/// ‖J‖²_F = Σ_k ‖Jᵀe_k‖², row by row, of an encoder of any depth, x to h: \[batch\].
///
/// `block` rows are pulled back at a time, \[block, batch, units\], over one forward pass: it bounds each tensor, not their
/// sum, as every block lives until its gradient is made. [`exact_mean`] bounds that too.
pub fn exact<'g>(layers: &[Layer<'g>], block: usize) -> Tensor<'g> {
    let factors: Vec<Factor<'g>> = layers.iter().map(Factor::of).collect();
    let parts = blocks(&factors, block).map(|rows| norm(&factors, rows));
    parts.reduce(|sum, part| sum + part).expect("a layer has units")
}

/// The mean of ‖J‖²_F over the batch, row by row: scalar, with its gradient.
///
/// As it is a sum over blocks, so is its gradient, by every W and f′(a): each block's is made right after the block, which
/// no later pass needs then. What lives at once is one block and the sums. In a plan that does not train the gradients are
/// dead, and fall away.
pub fn exact_mean<'g>(layers: &[Layer<'g>], block: usize) -> Tensor<'g> {
    let factors: Vec<Factor<'g>> = layers.iter().map(Factor::of).collect();
    let leaves: Vec<Tensor<'g>> = factors.iter().flat_map(|f| [f.slope, f.weight]).collect();
    let add = |(a, b): (Tensor<'g>, Tensor<'g>)| a + b;
    let part = |rows| {
        let mean = norm(&factors, rows).mean(BATCH);
        [vec![mean], partial(mean, &leaves)].concat()
    };
    let sums = blocks(&factors, block).map(part).reduce(|sums, part| sums.into_iter().zip(part).map(add).collect());
    let sums = sums.expect("a layer has units");
    sums[0].with_gradient(&leaves.into_iter().zip(sums[1..].iter().copied()).collect::<Vec<_>>())
}

/// A layer's part of J: diag(f′(a)) W.
struct Factor<'g> {
    /// f′(a): \[batch, outputs\].
    slope: Tensor<'g>,
    /// W: \[outputs, inputs\].
    weight: Tensor<'g>,
}

impl<'g> Factor<'g> {
    fn of(layer: &Layer<'g>) -> Self {
        Self { slope: layer.slope(), weight: layer.weight }
    }
}

/// The rows of J, some `block` at a time.
fn blocks(factors: &[Factor<'_>], block: usize) -> impl Iterator<Item = Range<usize>> {
    let units = factors.last().expect("an encoder has a layer").weight.shape()[0];
    (0..units).step_by(block).map(move |first| first..units.min(first + block))
}

/// The sum of the squares of these rows of J: \[batch\].
fn norm<'g>(factors: &[Factor<'g>], rows: Range<usize>) -> Tensor<'g> {
    let (last, before) = factors.split_last().expect("an encoder has a layer");
    let (batch, [_, inputs], count) = (last.slope.shape()[0], extents(last.weight), rows.len());
    // Past the last layer a unit cotangent e_k has become f′(a_k)·w_k.
    let s = last.slope.slice(&[0, rows.start], &[batch, count]).transpose().reshape(&[count, batch, 1]);
    let w = last.weight.slice(&[rows.start, 0], &[count, inputs]).reshape(&[count, 1, inputs]);
    through(before, (s * w).with_batch_axis(1)).square().sum(FEATURES).sum(SAMPLES)
}

/// The mean over `samples` of ‖Jᵀv‖² with random signs v, drawn under `net`: \[batch\]. Its expectation is ‖J‖²_F, as
/// E vvᵀ = I (Hutchinson 1990).
pub fn hutchinson<'g>(net: &Scope<'g>, layers: &[Layer<'g>], samples: usize) -> Tensor<'g> {
    let h = layers.last().expect("an encoder has a layer").after;
    let v = net.signs(&[samples, h.shape()[0], h.shape()[1]]);
    pull_back(layers, v).square().sum(FEATURES).mean(SAMPLES)
}

/// Jᵀc for every c of a leading axis: \[count, batch, outputs\] → \[count, batch, inputs\]: c ← (c ⊙ f′(a)) W, layer by
/// layer from the last; the forward pass is shared.
pub fn pull_back<'g>(layers: &[Layer<'g>], c: Tensor<'g>) -> Tensor<'g> {
    through(&layers.iter().map(Factor::of).collect::<Vec<_>>(), c)
}

/// The same by the factors of J.
fn through<'g>(factors: &[Factor<'g>], c: Tensor<'g>) -> Tensor<'g> {
    let back = |c: Tensor<'g>, f: &Factor<'g>| {
        let (count, batch, [outputs, inputs]) = (c.shape()[0], c.shape()[1], extents(f.weight));
        let delta = (c * f.slope).reshape(&[count * batch, outputs]);
        delta.matmul(f.weight).reshape(&[count, batch, inputs]).with_batch_axis(1)
    };
    factors.iter().rev().fold(c, back)
}

fn extents(matrix: Tensor<'_>) -> [usize; 2] {
    [matrix.shape()[0], matrix.shape()[1]]
}

//! ‖J‖²_F, the squared Frobenius norm of the Jacobian J = ∂h/∂x of a dense encoder, of each example: in closed form,
//! row by row, and by random directions. What contractive autoencoders add to their loss (Rifai et al. 2011); all three
//! can be differentiated.

use super::{Layer, Scope};
use crate::config::Activation;
use crate::graph::{Axes, FEATURES, SAMPLES, Tensor};
use crate::kernels::matmul_vec4::Act;

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
/// sum, as every block lives until its gradient is made.
pub fn exact<'g>(layers: &[Layer<'g>], block: usize) -> Tensor<'g> {
    let (last, before) = layers.split_last().expect("an encoder has a layer");
    let (slope, [units, inputs]) = (last.slope(), extents(last.weight));
    let batch = slope.shape()[0];
    let norm = |first: usize| {
        let rows = block.min(units - first);
        // Past the last layer a unit cotangent e_k has become f′(a_k)·w_k.
        let s = slope.slice(&[0, first], &[batch, rows]).transpose().reshape(&[rows, batch, 1]);
        let w = last.weight.slice(&[first, 0], &[rows, inputs]).reshape(&[rows, 1, inputs]);
        pull_back(before, (s * w).with_batch_axis(1)).square().sum(FEATURES).sum(SAMPLES)
    };
    (0..units).step_by(block).map(norm).reduce(|sum, part| sum + part).expect("a layer has units")
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
    let back = |c: Tensor<'g>, layer: &Layer<'g>| {
        let (count, batch, [outputs, inputs]) = (c.shape()[0], c.shape()[1], extents(layer.weight));
        let delta = (c * layer.slope()).reshape(&[count * batch, outputs]);
        delta.matmul(layer.weight).reshape(&[count, batch, inputs]).with_batch_axis(1)
    };
    layers.iter().rev().fold(c, back)
}

fn extents(matrix: Tensor<'_>) -> [usize; 2] {
    [matrix.shape()[0], matrix.shape()[1]]
}

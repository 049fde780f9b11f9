//! Layers of models of sequences.

use super::{DiagonalGaussian, Scope, linear};
use crate::graph::{Init, Tensor};

/// The hidden states of an LSTM (see [`Tensor::lstm`]) that reads a sequence from its first step on: \[batch, time,
/// inputs\] → \[batch, time, units\]. `input.weight` \[4·units, inputs\] and `hidden.weight` \[4·units, units\] have the
/// gates in the order i, f, g, o; of the two biases that PyTorch has, and adds, there is one. All begin uniform on ±1/√units.
#[track_caller]
pub fn lstm<'g>(net: &Scope<'g>, x: Tensor<'g>, units: usize) -> Tensor<'g> {
    net.within(|| {
        let (shape, init) = (x.shape(), Init::Uniform { bound: 1.0 / (units as f64).sqrt() });
        let (n, time, inputs) = (shape[0], shape[1], shape[2]);
        let (input, hidden) = (net / "input", net / "hidden");
        let w = input.param("weight", &[4 * units, inputs], init);
        let b = input.param("bias", &[4 * units], init);
        let a = x.reshape(&[n * time, inputs]).matmul_as(w, false, true) + b;
        let h = hidden.param("weight", &[4 * units, units], init);
        a.reshape(&[n, time, 4 * units]).in_batch(x.batch_axis()).lstm(h.transpose())
    })
}

/// N(μ, diag σ²) of x, by the block of TD-VAE (Gregor et al. 2019, appendix): t = tanh(W₁x + b₁) ⊙ sigmoid(W₂x + b₂), of
/// `hidden` units, μ = W₃t + b₃, ln σ = W₄t + b₄; x: \[…, inputs\], μ and σ: \[…, dimensions\].
#[track_caller]
pub fn gated_gaussian<'g>(net: &Scope<'g>, x: Tensor<'g>, hidden: usize, dimensions: usize) -> DiagonalGaussian<'g> {
    let t = linear(&(net / "value"), x, hidden).tanh() * linear(&(net / "gate"), x, hidden).sigmoid();
    let log_scale = linear(&(net / "log_scale"), t, dimensions);
    DiagonalGaussian::new(linear(&(net / "mean"), t, dimensions), log_scale * 2.0)
}

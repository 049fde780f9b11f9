//! Layers of models of sequences.

use super::{DiagonalGaussian, Scope, linear};
use crate::graph::{Init, Tensor};

/// The hidden states of an LSTM (see [`Tensor::lstm`]) that reads a sequence from its first step on: \[batch, time,
/// inputs\] → \[batch, time, units\]. `input.weight` \[4·units, inputs\] and `hidden.weight` \[4·units, units\] have the
/// gates in the order i, f, g, o; of the two biases that PyTorch has, and adds, there is one. All begin uniform on ±1/√units.
#[track_caller]
pub fn lstm<'g>(net: &Scope<'g>, x: Tensor<'g>, units: usize) -> Tensor<'g> {
    net.within(|| {
        let shape = x.shape();
        let (n, time, inputs) = (shape[0], shape[1], shape[2]);
        let (a, w) = gates(net, x.reshape(&[n * time, inputs]), units);
        a.reshape(&[n, time, 4 * units]).in_batch(x.batch_axis()).lstm(w)
    })
}

/// One step of [`lstm`], from its state before the step, (h, c), to that after it: x: \[batch, inputs\], h and c: \[batch,
/// units\].
#[track_caller]
pub fn lstm_step<'g>(net: &Scope<'g>, x: Tensor<'g>, (h, c): (Tensor<'g>, Tensor<'g>)) -> (Tensor<'g>, Tensor<'g>) {
    net.within(|| {
        let (n, units) = (h.shape()[0], h.shape()[1]);
        let (a, w) = gates(net, x, units);
        let a = a + h.matmul(w);
        let gate = |k: usize| a.slice(&[0, k * units], &[n, units]);
        let c = gate(1).sigmoid() * c + gate(0).sigmoid() * gate(2).tanh();
        (gate(3).sigmoid() * c.tanh(), c)
    })
}

/// What the inputs and the bias give the gates, \[rows, 4·units\], and W, \[units, 4·units\], by which the state adds to it.
fn gates<'g>(net: &Scope<'g>, x: Tensor<'g>, units: usize) -> (Tensor<'g>, Tensor<'g>) {
    let init = Init::Uniform { bound: 1.0 / (units as f64).sqrt() };
    let (input, hidden) = (net / "input", net / "hidden");
    let w = input.param("weight", &[4 * units, x.shape()[1]], init);
    let b = input.param("bias", &[4 * units], init);
    let h = hidden.param("weight", &[4 * units, units], init);
    (x.matmul_as(w, false, true) + b, h.transpose())
}

/// N(μ, diag σ²) of x, by the block of TD-VAE (Gregor et al. 2019, appendix): t = tanh(W₁x + b₁) ⊙ sigmoid(W₂x + b₂), of
/// `hidden` units, μ = W₃t + b₃, ln σ = W₄t + b₄; x: \[…, inputs\], μ and σ: \[…, dimensions\].
#[track_caller]
pub fn gated_gaussian<'g>(net: &Scope<'g>, x: Tensor<'g>, hidden: usize, dimensions: usize) -> DiagonalGaussian<'g> {
    let t = linear(&(net / "value"), x, hidden).tanh() * linear(&(net / "gate"), x, hidden).sigmoid();
    let log_scale = linear(&(net / "log_scale"), t, dimensions);
    DiagonalGaussian::new(linear(&(net / "mean"), t, dimensions), log_scale * 2.0)
}

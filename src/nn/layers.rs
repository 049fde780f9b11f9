//! Dense layers.

use super::Scope;
use crate::config::Activation;
use crate::graph::{Init, Tensor, vjp};

/// y = x Wᵀ + b; x: \[…, inputs\], W: \[outputs, inputs\], b: \[outputs\].
///
/// Both begin uniform on ±1/√inputs (LeCun et al. 1998, and what PyTorch does).
#[track_caller]
pub fn linear<'g>(net: &Scope<'g>, x: Tensor<'g>, outputs: usize) -> Tensor<'g> {
    net.within(|| {
        let w = weight(net, outputs, x.shape().last());
        affine(net, x, w, true)
    })
}

/// The same layer, of which both begin at 0: what it adds to is at first as if it were not there.
#[track_caller]
pub fn linear_zeros<'g>(net: &Scope<'g>, x: Tensor<'g>, outputs: usize) -> Tensor<'g> {
    net.within(|| {
        let w = net.param("weight", &[outputs, x.shape().last()], Init::Zeros);
        let b = net.param("bias", &[outputs], Init::Zeros);
        over_last(x, w, b, true)
    })
}

/// y = x W + b, with the weight W: \[inputs, outputs\] of the [`linear`] layer under `of`, which it runs backwards, and a
/// bias of its own: tied weights.
#[track_caller]
pub fn transposed<'g>(net: &Scope<'g>, of: &Scope<'g>, x: Tensor<'g>, outputs: usize) -> Tensor<'g> {
    net.within(|| {
        let w = weight(of, x.shape().last(), outputs);
        affine(net, x, w, false)
    })
}

/// Uniform on ±1/√inputs.
pub(super) fn uniform(inputs: usize) -> Init {
    Init::Uniform { bound: 1.0 / (inputs as f64).sqrt() }
}

fn weight<'g>(net: &Scope<'g>, outputs: usize, inputs: usize) -> Tensor<'g> {
    net.param("weight", &[outputs, inputs], uniform(inputs))
}

/// The same with a bias of this layer.
#[track_caller]
fn affine<'g>(net: &Scope<'g>, x: Tensor<'g>, w: Tensor<'g>, transposed: bool) -> Tensor<'g> {
    let shape = x.shape();
    let inputs = shape.last();
    let outputs = w.len() / inputs;
    let b = net.param("bias", &[outputs], uniform(inputs));
    over_last(x, w, b, transposed)
}

/// x·w + b, or x·wᵀ + b, over the last axis of x.
#[track_caller]
fn over_last<'g>(x: Tensor<'g>, w: Tensor<'g>, b: Tensor<'g>, transposed: bool) -> Tensor<'g> {
    let (shape, outputs) = (x.shape(), b.len());
    let inputs = shape.last();
    let y = x.reshape(&[x.len() / inputs, inputs]).matmul_as(w, false, transposed) + b;
    let mut dims = shape.dims().to_vec();
    *dims.last_mut().expect("an input has features") = outputs;
    y.reshape(&dims).in_batch(x.batch_axis())
}

/// f(x) for the activation that a recipe names.
pub fn activate(x: Tensor<'_>, f: Activation) -> Tensor<'_> {
    match f {
        Activation::Relu => x.relu(),
        Activation::Sigmoid => x.sigmoid(),
        Activation::Tanh => x.tanh(),
        Activation::Softplus => x.softplus(),
        Activation::Linear => x,
    }
}

/// A dense layer as it was computed: h = f(a), a = x Wᵀ + b.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'g> {
    /// W: \[outputs, inputs\].
    pub weight: Tensor<'g>,
    /// a: \[batch, outputs\].
    pub before: Tensor<'g>,
    /// h: \[batch, outputs\].
    pub after: Tensor<'g>,
    /// f.
    pub activation: Activation,
}

impl<'g> Layer<'g> {
    /// f′(a): \[batch, outputs\].
    pub fn slope(&self) -> Tensor<'g> {
        // f is applied to each element: the pull-back of ones is its slope.
        vjp(&[self.after], &[self.before.like(1.0)], &[self.before])[0]
    }
}

/// The [`linear`] layer of x and its activation.
#[track_caller]
pub fn dense<'g>(net: &Scope<'g>, x: Tensor<'g>, outputs: usize, f: Activation) -> Layer<'g> {
    net.within(|| {
        let weight = weight(net, outputs, x.shape().last());
        let before = affine(net, x, weight, true);
        Layer { weight, before, after: activate(before, f), activation: f }
    })
}

/// Hidden layers 0, 1, … of the given widths, each followed by the activation: all of them, outermost first.
#[track_caller]
pub fn layers<'g>(net: &Scope<'g>, x: Tensor<'g>, widths: &[usize], f: Activation) -> Vec<Tensor<'g>> {
    let mut made: Vec<Tensor<'g>> = Vec::with_capacity(widths.len());
    for (i, &width) in widths.iter().enumerate() {
        made.push(dense(&(net / i), made.last().copied().unwrap_or(x), width, f).after);
    }
    made
}

/// The last of the hidden [`layers`] of the given widths, or x where there are none.
#[track_caller]
pub fn mlp<'g>(net: &Scope<'g>, x: Tensor<'g>, widths: &[usize], f: Activation) -> Tensor<'g> {
    layers(net, x, widths, f).pop().unwrap_or(x)
}

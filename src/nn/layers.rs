//! Dense layers.

use super::Scope;
use crate::config::Activation;
use crate::graph::{Init, Tensor};

/// y = x Wᵀ + b; x: \[…, inputs\], W: \[outputs, inputs\], b: \[outputs\].
///
/// Both begin uniform on ±1/√inputs (LeCun et al. 1998, and what PyTorch does).
#[track_caller]
pub fn linear<'g>(net: &Scope<'g>, x: Tensor<'g>, outputs: usize) -> Tensor<'g> {
    let shape = x.shape();
    let inputs = shape.last();
    let init = Init::Uniform { bound: 1.0 / (inputs as f64).sqrt() };
    net.within(|| {
        let w = net.param("weight", &[outputs, inputs], init);
        let b = net.param("bias", &[outputs], init);
        let y = x.reshape(&[x.len() / inputs, inputs]).matmul_as(w, false, true) + b;
        let mut dims = shape.dims().to_vec();
        *dims.last_mut().expect("an input has features") = outputs;
        let y = y.reshape(&dims);
        x.batch_axis().map_or(y, |axis| y.with_batch_axis(axis))
    })
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

/// Hidden layers 0, 1, … of the given widths, each followed by the activation.
#[track_caller]
pub fn mlp<'g>(net: &Scope<'g>, x: Tensor<'g>, widths: &[usize], f: Activation) -> Tensor<'g> {
    let layer = |x, (i, &width): (usize, &usize)| {
        let net = net / i;
        net.within(|| activate(linear(&net, x, width), f))
    };
    widths.iter().enumerate().fold(x, layer)
}

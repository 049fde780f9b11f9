//! Reducing the Dimensionality of Data with Neural Networks, Hinton & Salakhutdinov 2006.
//!
//! min ‖x − g(f(x))‖², or the cross-entropy of x under g(f(x)); f ends in a linear code.

use super::Loss;
use crate::config::{Ae, Loss as Objective};
use crate::graph::{BATCH, FEATURES, Tensor};
use crate::nn::{Scope, activate, bernoulli_nll, linear, mlp};

/// The loss of a batch; the squared error is reported whatever is minimised.
pub fn loss<'g>(net: &Scope<'g>, x: Tensor<'g>, c: &Ae) -> Loss<'g> {
    let a = decoder(&(net / "decoder"), encode(net, x, c), x.shape().last(), c);
    let error = (activate(a, c.output) - x).square().sum(FEATURES).mean(BATCH);
    let (total, terms) = match c.loss {
        Objective::Mse => (error, vec![]),
        Objective::CrossEntropy => {
            let nats = bernoulli_nll(x, a).sum(FEATURES).mean(BATCH);
            (nats, vec![("cross-entropy", nats)])
        }
    };
    Loss { total, reported: error, headline: "squared error", unit: "an image", terms }
}

/// The code f(x): \[batch, latent\].
pub fn encode<'g>(net: &Scope<'g>, x: Tensor<'g>, c: &Ae) -> Tensor<'g> {
    let net = net / "encoder";
    linear(&(&net / "code"), mlp(&net, x, &c.hidden, c.activation), c.latent)
}

/// g(z): \[batch, features\].
pub fn decode<'g>(net: &Scope<'g>, z: Tensor<'g>, features: usize, c: &Ae) -> Tensor<'g> {
    activate(decoder(&(net / "decoder"), z, features, c), c.output)
}

/// What stands before the last activation.
fn decoder<'g>(net: &Scope<'g>, z: Tensor<'g>, features: usize, c: &Ae) -> Tensor<'g> {
    let mirrored: Vec<usize> = c.hidden.iter().rev().copied().collect();
    linear(&(net / "output"), mlp(net, z, &mirrored, c.activation), features)
}

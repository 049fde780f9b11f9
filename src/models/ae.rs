//! Reducing the Dimensionality of Data with Neural Networks, Hinton & Salakhutdinov 2006.
//!
//! min ‖x − g(f(x))‖², or the cross-entropy of x under g(f(x)); f ends in a linear code.

use super::{Autoencoder, Loss};
use crate::config::{Ae, Loss as Objective};
use crate::graph::{BATCH, FEATURES, Tensor};
use crate::nn::{Scope, activate, bernoulli_nll, linear, mlp};

impl Autoencoder for Ae {
    /// The squared error is reported whatever is minimised.
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let a = self.decoder(&(net / "decoder"), self.encode(net, x), x.shape().last());
        let error = (activate(a, self.output) - x).square().sum(FEATURES).mean(BATCH);
        let (total, terms) = match self.loss {
            Objective::Mse => (error, vec![]),
            Objective::CrossEntropy => {
                let nats = bernoulli_nll(x, a).sum(FEATURES).mean(BATCH);
                (nats, vec![("cross-entropy", nats)])
            }
        };
        Loss { total, reported: error, headline: "squared error", unit: "an image", terms }
    }

    fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        let net = net / "encoder";
        linear(&(&net / "code"), mlp(&net, x, &self.hidden, self.activation), self.latent)
    }

    fn decode<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        activate(self.decoder(&(net / "decoder"), z, features), self.output)
    }

    fn latent(&self) -> usize {
        self.latent
    }

    fn hidden(&self) -> &[usize] {
        &self.hidden
    }
}

impl Ae {
    /// What stands before the last activation.
    fn decoder<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        let mirrored: Vec<usize> = self.hidden.iter().rev().copied().collect();
        linear(&(net / "output"), mlp(net, z, &mirrored, self.activation), features)
    }
}

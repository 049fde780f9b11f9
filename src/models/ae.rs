//! Reducing the Dimensionality of Data with Neural Networks, Hinton & Salakhutdinov 2006.
//!
//! min ‖x − g(f(x))‖², or the cross-entropy of x under g(f(x)); f ends in a linear code.

use super::{Autoencoder, Loss};
use crate::config::Ae;
use crate::graph::Tensor;
use crate::nn::Scope;

impl Autoencoder for Ae {
    /// The squared error is reported whatever is minimised.
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let z = self.encode(net, x);
        let r = self.net.reconstruction(x, self.net.logits(net, z, x.shape().last()));
        Loss { total: r.objective, reported: r.squared, headline: "squared error", unit: "an image", terms: r.terms }
    }

    fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        self.net.encode(net, x)
    }

    fn decode<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        self.net.decode(net, z, features)
    }

    fn latent(&self) -> usize {
        self.net.latent
    }

    fn hidden(&self) -> &[usize] {
        &self.net.hidden
    }
}

//! Reducing the Dimensionality of Data with Neural Networks, Hinton & Salakhutdinov 2006.
//!
//! min ‖x − g(f(x))‖², or the cross-entropy of x under g(f(x)); f ends in a linear code.

use super::Loss;
use super::dense::OverDense;
use crate::config::{Ae, Dense};
use crate::graph::{BATCH, FEATURES, Tensor};
use crate::nn::Scope;

impl OverDense for Ae {
    fn net(&self) -> &Dense {
        &self.net
    }

    /// The squared error is reported whatever is minimised.
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let z = self.net.encode(net, x);
        let r = self.net.reconstruction(x, self.net.logits(net, z, x.shape().last()));
        Loss { total: r.objective, reported: r.squared, headline: "squared error", unit: "an image", terms: r.terms }
    }

    /// Bengio et al. 2007: each layer learns to reconstruct its input, with the error of the whole.
    fn layer_loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>, layer: usize) -> Option<Tensor<'g>> {
        let h = self.net.below(net, x, layer);
        Some(self.net.layer_errors(net, h, h, layer).sum(FEATURES).mean(BATCH))
    }
}

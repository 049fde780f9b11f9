//! Stacked Denoising Autoencoders, Vincent et al. 2010, eq. 5 and §4.3; one of them, of any depth.
//!
//! min E\[α Σ_{i corrupted} L(xᵢ, yᵢ) + β Σ_{i clean} L(xᵢ, yᵢ)\],  y = g(f(x̃)), x̃ ~ q(x̃ | x), x the clean input

use super::Loss;
use super::dense::OverDense;
use crate::config::{Corruption, Dae, Dense};
use crate::graph::{BATCH, FEATURES, Tensor};
use crate::nn::corruption::{Corrupted, gaussian, masking, masking_bernoulli, salt_and_pepper};
use crate::nn::{Mode, Scope};

impl OverDense for Dae {
    fn net(&self) -> &Dense {
        &self.net
    }

    /// In evaluation nothing is corrupted; what is reported is the error on all dimensions, each of weight 1.
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let corrupted = match net.mode() {
            Mode::Train => self.corrupt(&(net / "corruption"), x),
            Mode::Evaluate => Corrupted { x, mask: x.like(0.0) },
        };
        let z = self.net.encode(net, corrupted.x);
        let logits = self.net.logits(net, z, x.shape().last());
        let r = self.net.reconstruction(x, logits);
        let total = match self.emphasis {
            [1.0, 1.0] => r.objective,
            _ => self.emphasised(self.net.errors(x, logits), corrupted.mask),
        };
        Loss { total, reported: r.squared, headline: "squared error", unit: "an image", terms: r.terms }
    }

    /// Stacked: below a layer nothing is corrupted, its own input is, whatever the layer.
    fn layer_loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>, layer: usize) -> Option<Tensor<'g>> {
        let h = self.net.below(net, x, layer);
        let corrupted = self.corrupt(&(net / "corruption"), h);
        Some(self.emphasised(self.net.layer_errors(net, h, corrupted.x, layer), corrupted.mask))
    }
}

impl Dae {
    /// The errors, an element, weighed by what was corrupted: scalar.
    fn emphasised<'g>(&self, errors: Tensor<'g>, mask: Tensor<'g>) -> Tensor<'g> {
        let [on_corrupted, on_clean] = self.emphasis;
        (mask.affine(on_corrupted - on_clean, on_clean) * errors).sum(FEATURES).mean(BATCH)
    }

    /// x̃ and what of it was corrupted.
    fn corrupt<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Corrupted<'g> {
        let corruption = match self.corruption {
            Corruption::Masking => masking,
            Corruption::MaskingBernoulli => masking_bernoulli,
            Corruption::Gaussian => gaussian,
            Corruption::SaltAndPepper => salt_and_pepper,
        };
        net.within(|| corruption(net, x, self.level))
    }
}

//! k-Sparse Autoencoders, Makhzani & Frey 2013, algorithm 1.
//!
//! min ‖x − (Wᵀ h + b′)‖²,  a = W x + b,  h = a on its k largest units, by sign and not by magnitude, and 0 elsewhere

use super::{Autoencoder, Loss};
use crate::config::{self, Activation, Dense, KSparse};
use crate::graph::{Axes, BATCH, Count, FEATURES, Tensor};
use crate::nn::{Mode, Scope};

impl Autoencoder for KSparse {
    /// What is not kept has no gradient: neither its unit, nor its row of W, nor its bias.
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let (a, kept) = self.support(net, x);
        let dense = self.dense();
        let r = dense.reconstruction(x, dense.logits(net, a * kept, x.shape().last()));
        let terms = vec![("k", kept.sum(FEATURES).mean(BATCH))];
        Loss { total: r.objective, reported: r.squared, headline: "squared error", unit: "an image", terms }
    }

    /// αk units of the last k, in training too: what is trained on the code does not follow the schedule.
    fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        let a = self.dense().encode(net, x);
        a * a.top_k(Count::Fixed(self.kept()))
    }

    fn decode<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        self.dense().decode(net, z, features)
    }

    /// Σ_j ‖w_j‖² over the kept units: J has their rows of W, and zeros.
    fn jacobian<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Option<Tensor<'g>> {
        let layers = self.dense().encoder_layers(net, x);
        let kept = layers[0].after.top_k(Count::Fixed(self.kept()));
        Some((kept * layers[0].weight.square().sum(Axes::Numbered(1, 2))).sum(FEATURES))
    }

    fn latent(&self) -> usize {
        self.latent
    }

    fn hidden(&self) -> &[usize] {
        &[]
    }
}

impl KSparse {
    /// a, and 1 at the units that are kept: k in training, αk in evaluation.
    fn support<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> (Tensor<'g>, Tensor<'g>) {
        let a = self.dense().encode(net, x);
        let k = match net.mode() {
            Mode::Train => net.count("k", &self.k),
            Mode::Evaluate => Count::Fixed(self.kept()),
        };
        (a, a.top_k(k))
    }

    /// One linear layer and its transpose.
    fn dense(&self) -> Dense {
        Dense {
            conv: vec![],
            hidden: vec![],
            latent: self.latent,
            activation: Activation::Linear,
            code: Activation::Linear,
            output: Activation::Linear,
            loss: config::Loss::Mse,
            tied: true,
        }
    }
}

//! Sparse autoencoder, Ng, CS294A lecture notes 2011, §3.
//!
//! min L(x, g(f(x))) + weight·Σₗ Σⱼ KL(ρ ‖ ρ̂ₗⱼ),  ρ̂ₗⱼ the mean of h over examples, for unit j of hidden layer l

use super::Loss;
use super::dense::OverDense;
use crate::config::{Average, Dense, Sparse};
use crate::graph::{Axes, BATCH, Tensor};
use crate::nn::{Mode, Scope, bernoulli_kl, moving_average};

/// The mean activation of a layer, by its place: the encoder's layers, the code, the decoder's.
const RHO: [&str; 2 * Sparse::DEEPEST + 1] = [
    "rho.1", "rho.2", "rho.3", "rho.4", "rho.5", "rho.6", "rho.7", "rho.8", "rho.9", "rho.10", "rho.11", "rho.12",
    "rho.13", "rho.14", "rho.15",
];

impl OverDense for Sparse {
    fn net(&self) -> &Dense {
        &self.net
    }

    /// The penalty belongs to training: it is a function of a batch, and no mean over examples.
    ///
    /// ∂KL/∂hₙⱼ is (−ρ/ρ̂ⱼ + (1 − ρ)/(1 − ρ̂ⱼ))·c with c = 1/N over a batch of N, and of the moving average
    /// c = (1 − decay)/N, over 1 − decayᵗ in the first steps.
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let encoder = self.net.encoder(net, x);
        let z = *encoder.last().expect("the code is always there");
        let mut decoder = self.net.decoder(net, z, x.shape().last());
        let logits = decoder.pop().expect("the output is always there");
        let means: Vec<Tensor<'g>> = encoder.iter().chain(&decoder).map(|h| h.mean(BATCH)).collect();
        let r = self.net.reconstruction(x, logits);
        let (mut total, mut terms) = (r.objective, r.terms);
        if net.mode() == Mode::Train {
            let sparsity = self.sparsity(&(net / "sparsity"), &means);
            total = total + net.scalar("weight", &self.weight) * sparsity;
            terms.extend([("squared error", r.squared), ("sparsity", sparsity)]);
        }
        terms.extend(RHO.into_iter().zip(means.iter().map(|m| m.mean(Axes::All))));
        Loss { total, reported: r.squared, headline: "squared error", unit: "an image", terms }
    }
}

impl Sparse {
    /// Σₗ Σⱼ KL(ρ ‖ ρ̂ₗⱼ), of the mean activations of each layer.
    fn sparsity<'g>(&self, net: &Scope<'g>, means: &[Tensor<'g>]) -> Tensor<'g> {
        let of_layer = |(l, &mean): (usize, &Tensor<'g>)| {
            let net = net / (l + 1);
            let rho_hat = match self.average {
                Average::Batch => mean,
                Average::Ema => net.within(|| moving_average(&net, mean, self.decay)),
            };
            bernoulli_kl(self.rho, rho_hat).sum(Axes::All)
        };
        means.iter().enumerate().map(of_layer).reduce(|a, b| a + b).expect("the code is always there")
    }
}

//! Auto-Encoding Variational Bayes, Kingma & Welling 2013, eq. 10; Importance Weighted Autoencoders, Burda et al. 2016,
//! eq. 8.
//!
//! −ELBO = E_q(z|x)\[−ln p(x|z)\] + KL(q(z|x) ‖ N(0, I)),  q = N(μ(x), Σ(x)),  Σ = L Lᵀ,  z = μ + L ε
//!
//! −IWAE-k = −E\[ln 1/k Σᵢ wᵢ\],  wᵢ = p(x|zᵢ) p(zᵢ) / q(zᵢ|x),  z₁ … z_k ~ q(z|x)
//!
//! `beta` is for a KL term that is warmed up; what else is done with it is the β-VAE's.

use super::variational::Terms;
use super::{Autoencoder, Loss, Posterior};
use crate::config::{Objective, Vae};
use crate::graph::{BATCH, SAMPLES, Tensor};
use crate::nn::{Mode, Scope};

impl Autoencoder for Vae {
    /// `recon` and `kl` are those of the ELBO whatever is minimised: the mean over the samples, and the exact KL.
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let Terms { recon, kl, log_weights } = self.net.terms(net, x);
        let mut terms = vec![("recon", recon), ("kl", kl)];
        let total = match self.objective {
            Objective::Elbo => recon + net.scalar("beta", &self.beta) * kl,
            Objective::Iwae => -log_weights.logmeanexp(SAMPLES).mean(BATCH),
        };
        if (net.mode(), self.objective) == (Mode::Evaluate, Objective::Iwae) {
            terms.push(("-IWAE", total));
        }
        Loss { total, reported: recon + kl, headline: "-ELBO", unit: "nats", terms }
    }

    fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        self.net.encode(net, x)
    }

    fn decode<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        self.net.decode(net, z, features)
    }

    fn prior<'g>(&self, net: &Scope<'g>, n: usize) -> Option<Tensor<'g>> {
        Some(self.net.prior(net, n))
    }

    fn posterior<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Option<Posterior<'g>> {
        Some(self.net.posterior(&(net / "encoder"), x))
    }

    fn log_weights<'g>(&self, net: &Scope<'g>, x: Tensor<'g>, samples: usize) -> Option<Tensor<'g>> {
        Some(self.net.with_samples(samples).terms(net, x).log_weights)
    }

    fn latent(&self) -> usize {
        self.net.latent
    }

    fn hidden(&self) -> &[usize] {
        &self.net.hidden
    }
}

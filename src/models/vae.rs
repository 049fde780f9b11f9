//! Auto-Encoding Variational Bayes, Kingma & Welling 2013, eq. 10.
//!
//! −ELBO = E_q(z|x)\[−ln p(x|z)\] + KL(q(z|x) ‖ N(0, I)),  q = N(μ(x), diag σ²(x)),  z = μ + σ ε
//!
//! `beta` is for a KL term that is warmed up; what else is done with it is the β-VAE's.

use super::variational::Terms;
use super::{Autoencoder, Loss};
use crate::config::Vae;
use crate::graph::Tensor;
use crate::nn::Scope;

impl Autoencoder for Vae {
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let Terms { recon, kl } = self.net.terms(net, x);
        let total = recon + net.scalar("beta", &self.beta) * kl;
        let terms = vec![("recon", recon), ("kl", kl)];
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

    fn latent(&self) -> usize {
        self.net.latent
    }

    fn hidden(&self) -> &[usize] {
        &self.net.hidden
    }
}

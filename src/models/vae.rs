//! Auto-Encoding Variational Bayes, Kingma & Welling 2013, eq. 10. β-VAE (Higgins et al. 2017) is `beta > 1`.
//!
//! −ELBO = E_q(z|x)\[−ln p(x|z)\] + KL(q(z|x) ‖ N(0, I)),  q = N(μ(x), diag σ²(x)),  z = μ + σ ε

use super::{Autoencoder, Loss};
use crate::config::{Likelihood, Vae};
use crate::graph::{BATCH, FEATURES, LATENTS, SAMPLES, Tensor};
use crate::nn::{DiagonalGaussian, Scope, bernoulli_nll, gaussian_nll, linear, mlp};

impl Autoencoder for Vae {
    /// With S > 1 samples the reconstruction is their mean, the KL is exact.
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let q = self.posterior(&(net / "encoder"), x);
        let z = q.sample(&(net / "encoder"), self.samples);
        let y = self.decoder(&(net / "decoder"), z, x.shape().last());
        let recon = self.nll(x, y).sum(FEATURES).mean(SAMPLES).mean(BATCH);
        let kl = q.kl_standard().sum(LATENTS).mean(BATCH);
        let total = recon + net.scalar("beta", &self.beta) * kl;
        let terms = vec![("recon", recon), ("kl", kl)];
        Loss { total, reported: recon + kl, headline: "-ELBO", unit: "nats", terms }
    }

    /// μ(x).
    fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        self.posterior(&(net / "encoder"), x).mean
    }

    /// E[x | z].
    fn decode<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        let y = self.decoder(&(net / "decoder"), z, features);
        match self.likelihood {
            Likelihood::Bernoulli => y.sigmoid(),
            Likelihood::Gaussian => y,
        }
    }

    /// N(0, I).
    fn prior<'g>(&self, net: &Scope<'g>, n: usize) -> Option<Tensor<'g>> {
        Some((net / "prior").normal(&[1, n, self.latent]).reshape(&[n, self.latent]))
    }

    fn latent(&self) -> usize {
        self.latent
    }

    fn hidden(&self) -> &[usize] {
        &self.hidden
    }
}

impl Vae {
    /// q(z | x).
    fn posterior<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> DiagonalGaussian<'g> {
        let h = mlp(net, x, &self.hidden, self.activation);
        DiagonalGaussian::new(linear(&(net / "mean"), h, self.latent), linear(&(net / "log_var"), h, self.latent))
    }

    /// The parameters of p(x | z): logits, or means.
    fn decoder<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        let mirrored: Vec<usize> = self.hidden.iter().rev().copied().collect();
        let h = mlp(net, z, &mirrored, self.activation);
        linear(&(net / "output"), h, features)
    }

    /// −ln p(x | z) per pixel.
    fn nll<'g>(&self, x: Tensor<'g>, y: Tensor<'g>) -> Tensor<'g> {
        match self.likelihood {
            Likelihood::Bernoulli => bernoulli_nll(x, y),
            Likelihood::Gaussian => gaussian_nll(x, y, self.variance),
        }
    }
}

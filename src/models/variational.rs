//! The fully connected network of the VAE and the β-VAE: q(z | x) = N(μ(x), Σ(x)), p(x | z), p(z) = N(0, I), and
//! the terms of the bounds on ln p(x).

use super::posterior::Posterior;
use crate::config::{Likelihood, Variational};
use crate::graph::{BATCH, FEATURES, SAMPLES, Tensor};
use crate::nn::{Scope, bernoulli_nll, gaussian_nll, linear, mlp, standard_log_prob};

/// The terms of the negative ELBO of a batch, recon + KL: scalars, nats per example; and what other bounds are made of.
pub struct Terms<'g> {
    /// E_q(z|x)\[−ln p(x|z)\]
    pub recon: Tensor<'g>,
    /// KL(q(z|x) ‖ p(z))
    pub kl: Tensor<'g>,
    /// ln w = ln p(x|z) + ln p(z) − ln q(z|x) of each sample: \[samples, batch\], nats.
    pub log_weights: Tensor<'g>,
}

impl Variational {
    /// The terms of x. With S > 1 samples the reconstruction is their mean, the KL is exact.
    pub fn terms<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Terms<'g> {
        let q = self.posterior(&(net / "encoder"), x);
        let (z, log_q) = q.sample_and_log_prob(&(net / "encoder"), self.samples);
        let y = self.decoder(&(net / "decoder"), z, x.shape().last());
        let nll = self.nll(x, y).sum(FEATURES);
        let recon = nll.mean(SAMPLES).mean(BATCH);
        let kl = q.kl_standard().mean(BATCH);
        Terms { recon, kl, log_weights: standard_log_prob(z) - nll - log_q }
    }

    /// μ(x): \[batch, latent\].
    pub fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        self.posterior(&(net / "encoder"), x).mean()
    }

    /// E\[x | z\]: \[batch, features\].
    pub fn decode<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        let y = self.decoder(&(net / "decoder"), z, features);
        match self.likelihood {
            Likelihood::Bernoulli => y.sigmoid(),
            Likelihood::Gaussian => y,
        }
    }

    /// `n` draws of N(0, I): \[n, latent\].
    pub fn prior<'g>(&self, net: &Scope<'g>, n: usize) -> Tensor<'g> {
        (net / "prior").normal(&[1, n, self.latent]).reshape(&[n, self.latent])
    }

    /// The same with another number of Monte-Carlo samples.
    pub fn with_samples(&self, samples: usize) -> Self {
        Self { samples, ..self.clone() }
    }

    /// q(z | x).
    pub fn posterior<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Posterior<'g> {
        let h = mlp(net, x, &self.hidden, self.activation);
        Posterior::new(net, h, self.latent, self.posterior)
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

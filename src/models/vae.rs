//! Auto-Encoding Variational Bayes, Kingma & Welling 2013, eq. 10. β-VAE (Higgins et al. 2017) is `beta > 1`.
//!
//! −ELBO = E_q(z|x)\[−ln p(x|z)\] + KL(q(z|x) ‖ N(0, I)),  q = N(μ(x), diag σ²(x)),  z = μ + σ ε

use super::Loss;
use crate::config::{Likelihood, Vae};
use crate::graph::{BATCH, FEATURES, LATENTS, SAMPLES, Tensor};
use crate::nn::{DiagonalGaussian, Scope, bernoulli_nll, gaussian_nll, linear, mlp};

/// The loss of a batch; with S > 1 samples the reconstruction is their mean, the KL is exact.
pub fn loss<'g>(net: &Scope<'g>, x: Tensor<'g>, c: &Vae) -> Loss<'g> {
    let q = posterior(&(net / "encoder"), x, c);
    let z = q.sample(&(net / "encoder"), c.samples);
    let y = decoder(&(net / "decoder"), z, x.shape().last(), c);
    let recon = nll(x, y, c).sum(FEATURES).mean(SAMPLES).mean(BATCH);
    let kl = q.kl_standard().sum(LATENTS).mean(BATCH);
    let total = recon + net.scalar("beta", &c.beta) * kl;
    Loss { total, reported: recon + kl, headline: "-ELBO", terms: vec![("recon", recon), ("kl", kl)] }
}

/// E[x | z = μ(x)].
pub fn reconstruct<'g>(net: &Scope<'g>, x: Tensor<'g>, c: &Vae) -> Tensor<'g> {
    let z = posterior(&(net / "encoder"), x, c).mean;
    mean(decoder(&(net / "decoder"), z, x.shape().last(), c), c)
}

/// E[x | z] for z ~ N(0, I).
pub fn sample<'g>(net: &Scope<'g>, n: usize, features: usize, c: &Vae) -> Tensor<'g> {
    let z = (net / "prior").normal(&[1, n, c.latent]).reshape(&[n, c.latent]);
    mean(decoder(&(net / "decoder"), z, features, c), c)
}

/// q(z | x).
fn posterior<'g>(net: &Scope<'g>, x: Tensor<'g>, c: &Vae) -> DiagonalGaussian<'g> {
    let h = mlp(net, x, &c.hidden, c.activation);
    DiagonalGaussian::new(linear(&(net / "mean"), h, c.latent), linear(&(net / "log_var"), h, c.latent))
}

/// The parameters of p(x | z): logits, or means.
fn decoder<'g>(net: &Scope<'g>, z: Tensor<'g>, features: usize, c: &Vae) -> Tensor<'g> {
    let mirrored: Vec<usize> = c.hidden.iter().rev().copied().collect();
    let h = mlp(net, z, &mirrored, c.activation);
    linear(&(net / "output"), h, features)
}

fn nll<'g>(x: Tensor<'g>, y: Tensor<'g>, c: &Vae) -> Tensor<'g> {
    match c.likelihood {
        Likelihood::Bernoulli => bernoulli_nll(x, y),
        Likelihood::Gaussian => gaussian_nll(x, y, c.variance),
    }
}

fn mean<'g>(y: Tensor<'g>, c: &Vae) -> Tensor<'g> {
    match c.likelihood {
        Likelihood::Bernoulli => y.sigmoid(),
        Likelihood::Gaussian => y,
    }
}

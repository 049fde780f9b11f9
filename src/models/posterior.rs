//! q(z | x) as an encoder gives it: a Gaussian of diagonal or of full covariance.

use crate::config::Covariance;
use crate::graph::{LATENTS, Tensor};
use crate::nn::{DiagonalGaussian, Gaussian, LOG_VAR_MAX, LOG_VAR_MIN, Scope, linear, linear_zeros, standard_log_prob};

/// q(z | x) = N(μ(x), Σ(x)) for a batch of x.
pub enum Posterior<'g> {
    /// Σ = diag σ².
    Diagonal(DiagonalGaussian<'g>),
    /// Σ = L Lᵀ.
    Full(Gaussian<'g>),
}

impl<'g> Posterior<'g> {
    /// From the encoder's last hidden layer h: \[batch, units\], by linear layers: `mean`, `log_var`, and for a full
    /// covariance `lower`, which begins at zeros, so that training begins with the diagonal one.
    pub fn new(net: &Scope<'g>, h: Tensor<'g>, latent: usize, covariance: Covariance) -> Self {
        let (mean, log_var) = (linear(&(net / "mean"), h, latent), linear(&(net / "log_var"), h, latent));
        match covariance {
            // One dimension has nothing below its diagonal.
            Covariance::Full if latent > 1 => {
                let net = net / "lower";
                let lower = linear_zeros(&net, h, latent * (latent - 1) / 2);
                Self::Full(net.within(|| full(mean, log_var, lower)))
            }
            _ => Self::Diagonal(DiagonalGaussian::new(mean, log_var)),
        }
    }

    /// μ(x): \[batch, latent\].
    pub fn mean(&self) -> Tensor<'g> {
        match self {
            Self::Diagonal(q) => q.mean,
            Self::Full(q) => q.mean,
        }
    }

    /// z = μ + L ε with ε ~ N(0, I) drawn under `net`, \[samples, batch, latent\], and ln q(z | x) of each,
    /// \[samples, batch\]: −½‖ε‖² − ½ ln det Σ − ½d ln 2π.
    pub fn sample_and_log_prob(&self, net: &Scope<'g>, samples: usize) -> (Tensor<'g>, Tensor<'g>) {
        match self {
            Self::Diagonal(q) => q.sample_and_log_prob(net, samples),
            Self::Full(q) => {
                let mut dims = vec![samples];
                dims.extend(q.mean.shape().dims());
                let noise = net.normal(&dims);
                (q.sample(noise), standard_log_prob(noise) - q.half_log_det)
            }
        }
    }

    /// KL(q(z|x) ‖ N(0, I)): \[batch\].
    pub fn kl_standard(&self) -> Tensor<'g> {
        match self {
            Self::Diagonal(q) => q.kl_standard().sum(LATENTS),
            Self::Full(q) => q.kl_standard(),
        }
    }
}

/// N(mean, L Lᵀ), L = diag(σ)·(I + U): ln σ² is limited as that of a [`DiagonalGaussian`], and `lower`, d(d − 1)/2 numbers
/// an example, are the strict lower triangle U. With U = 0 it is that one.
///
/// Below the diagonal L is in units of σ: a dimension of which the encoder is sure stays sure whatever U is. Where entries
/// of L are outputs themselves, each has to become small by itself, and training lags far behind the diagonal posterior.
fn full<'g>(mean: Tensor<'g>, log_var: Tensor<'g>, lower: Tensor<'g>) -> Gaussian<'g> {
    let log_var = log_var.clamp(LOG_VAR_MIN, LOG_VAR_MAX);
    let (n, d, numbers) = (mean.shape()[0], mean.shape().last(), lower.shape().last());
    // Before it, the logarithms of the diagonal of I.
    let unit = Gaussian::from_packed(mean, lower.pad(&[0, d], &[n, d + numbers]));
    let scale_tril = unit.scale_tril * (log_var * 0.5).exp().reshape(&[n, d, 1]);
    Gaussian { mean, scale_tril, half_log_det: log_var.sum(LATENTS) * 0.5 }
}

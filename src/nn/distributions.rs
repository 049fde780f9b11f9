//! Distributions as values, and negative log-likelihoods. All in nats, per element: the formula reduces.

use super::Scope;
use crate::graph::{Axes, FEATURES, LATENTS, Tensor};

/// Log-variances are limited to this from below; the gradient is zero outside.
pub const LOG_VAR_MIN: f64 = -30.0;
/// Log-variances are limited to this from above.
pub const LOG_VAR_MAX: f64 = 20.0;

/// N(mean, diag e^log_var); both \[…, latents\].
#[derive(Clone, Copy, Debug)]
pub struct DiagonalGaussian<'g> {
    /// μ
    pub mean: Tensor<'g>,
    /// ln σ², limited to [−30, 20].
    pub log_var: Tensor<'g>,
}

impl<'g> DiagonalGaussian<'g> {
    /// A Gaussian of that mean and (unlimited) log-variance.
    pub fn new(mean: Tensor<'g>, log_var: Tensor<'g>) -> Self {
        Self { mean, log_var: log_var.clamp(LOG_VAR_MIN, LOG_VAR_MAX) }
    }

    /// z = μ + σ ε with ε ~ N(0, 1) drawn under `net`: \[samples, batch, latents\].
    pub fn sample(&self, net: &Scope<'g>, samples: usize) -> Tensor<'g> {
        self.sample_and_log_prob(net, samples).0
    }

    /// The same z, and ln N(z; μ, σ²) = −½ Σ(ε² + ln σ² + ln 2π) of each, \[samples, batch\]: of the noise, since σ may be
    /// too small for z − μ.
    pub fn sample_and_log_prob(&self, net: &Scope<'g>, samples: usize) -> (Tensor<'g>, Tensor<'g>) {
        let mut dims = vec![samples];
        dims.extend(self.mean.shape().dims());
        let noise = net.normal(&dims);
        self.at_noise(noise)
    }

    /// z = μ + σ ε of noise ε of μ's shape, and ln N(z; μ, σ²): of the noise, as above. Its gradient is that of a density
    /// at a sample of itself: by z, and by μ and σ.
    pub fn at_noise(&self, noise: Tensor<'g>) -> (Tensor<'g>, Tensor<'g>) {
        let z = self.mean.reparameterise(self.log_var, noise);
        (z, half_log_tau((noise.square() + self.log_var).sum(LATENTS), self.mean.shape().last()))
    }

    /// ln N(z; μ, σ²) = −½ Σ((z − μ)²/σ² + ln σ² + ln 2π), for z of μ's shape.
    #[track_caller]
    pub fn log_prob(&self, z: Tensor<'g>) -> Tensor<'g> {
        let white = (z - self.mean).square() * (-self.log_var).exp();
        half_log_tau((white + self.log_var).sum(LATENTS), self.mean.shape().last())
    }

    /// KL(self ‖ other) = ½((σ² + (μ − μ′)²)/σ′² − 1 + ln σ′² − ln σ²) per dimension.
    #[track_caller]
    pub fn kl(&self, other: &Self) -> Tensor<'g> {
        let apart = (self.mean - other.mean).square() * (-other.log_var).exp();
        let ratio = self.log_var - other.log_var;
        (apart + ratio.exp() - ratio).affine(0.5, -0.5)
    }

    /// KL(self ‖ N(0, 1)) = ½(μ² + σ² − ln σ² − 1) per dimension.
    pub fn kl_standard(&self) -> Tensor<'g> {
        self.mean.gaussian_kl(self.log_var)
    }
}

/// ln N(z; 0, I) = −½ Σ(z² + ln 2π) of each z, \[samples, batch\].
pub fn standard_log_prob(z: Tensor<'_>) -> Tensor<'_> {
    half_log_tau(z.square().sum(LATENTS), z.shape().last())
}

/// −½(sum + dimensions·ln 2π).
fn half_log_tau(sum: Tensor<'_>, dimensions: usize) -> Tensor<'_> {
    sum.affine(-0.5, -0.5 * dimensions as f64 * std::f64::consts::TAU.ln())
}

/// −ln p(x) per element, x a bit (or a probability) of logits a: \[samples, batch, …\].
#[track_caller]
pub fn bernoulli_nll<'g>(x: Tensor<'g>, logits: Tensor<'g>) -> Tensor<'g> {
    logits.bce(x)
}

/// KL(ρ ‖ ρ̂) = ρ ln(ρ/ρ̂) + (1 − ρ) ln((1 − ρ)/(1 − ρ̂)) of Bernoulli variables per element, nats; 0 < ρ < 1. ρ̂ is
/// limited to [10⁻⁶, 1 − 10⁻⁶]; the gradient is zero outside.
pub fn bernoulli_kl(rho: f64, rho_hat: Tensor<'_>) -> Tensor<'_> {
    let r = rho_hat.clamp(1e-6, 1.0 - 1e-6);
    let on = r.ln().affine(-rho, rho * rho.ln());
    let off = (1.0 - r).ln().affine(rho - 1.0, (1.0 - rho) * (1.0 - rho).ln());
    on + off
}

/// KL(p ‖ q) = Σₖ pₖ ln(pₖ/qₖ) of categorical variables, nats; p = softmax(p_logits) along the last axis, q alike:
/// \[…, classes\] → \[…\]. Not symmetric; below 0 by rounding alone.
#[track_caller]
pub fn categorical_kl<'g>(p_logits: Tensor<'g>, q_logits: Tensor<'g>) -> Tensor<'g> {
    let (ln_p, ln_q) = (log_softmax(p_logits), log_softmax(q_logits));
    let r = ln_p.shape().rank();
    (ln_p.exp() * (ln_p - ln_q)).sum(Axes::Numbered(r - 1, r))
}

/// a − ln Σₖ e^aₖ along the last axis.
#[track_caller]
fn log_softmax(logits: Tensor<'_>) -> Tensor<'_> {
    let shape = logits.shape();
    let r = shape.rank();
    let normaliser = logits.logsumexp(Axes::Numbered(r - 1, r));
    logits - normaliser.reshape(&[&shape.dims()[..r - 1], &[1]].concat())
}

/// −ln N(x; mean, variance) = ½((x − mean)²/variance + ln 2π variance) per element.
#[track_caller]
pub fn gaussian_nll<'g>(x: Tensor<'g>, mean: Tensor<'g>, variance: f64) -> Tensor<'g> {
    let constant = 0.5 * (std::f64::consts::TAU * variance).ln();
    (mean - x).square().affine(0.5 / variance, constant)
}

/// −ln p(y) = ln Σⱼ exp aⱼ − Σⱼ yⱼ aⱼ for a softmax of logits a and labels y, one 1 a row: \[batch, classes\] →
/// \[batch\]. Without overflow whatever the logits.
pub fn categorical_nll<'g>(y: Tensor<'g>, logits: Tensor<'g>) -> Tensor<'g> {
    // Of centred logits, or two large numbers would cancel.
    let rows = logits.shape().dims()[0];
    let centred = logits - logits.max(FEATURES).detach().reshape(&[rows, 1]);
    centred.exp().sum(FEATURES).ln() - (y * centred).sum(FEATURES)
}

/// −ln p(k) = ln Σⱼ exp aⱼ − aₖ for a softmax of logits a and the place k of the one that is, of which the whole part
/// counts: \[n, classes\] and \[n\] → \[n\]. Without overflow whatever the logits.
pub fn categorical_nll_at<'g>(k: Tensor<'g>, logits: Tensor<'g>) -> Tensor<'g> {
    let [n, classes] = [logits.shape()[0], logits.shape()[1]];
    let centred = logits - logits.max(Axes::Numbered(1, 2)).detach().reshape(&[n, 1]);
    // Each row is a table of its own.
    let at = centred.reshape(&[n, classes, 1]).gather(k.reshape(&[1, n])).reshape(&[n]);
    centred.exp().sum(Axes::Numbered(1, 2)).ln() - at
}

//! The settings of the fully connected network that the VAE and the β-VAE share.

use super::super::settings::{at_least_one, at_most};
use super::{Activation, Convolution, widths};
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// A fully connected q(z | x), its mirror image as p(x | z), and how z is sampled. The settings of a model hold it by
/// `#[serde(flatten)]`: in a recipe its keys are the model's own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Variational {
    /// Convolutions before the encoder's dense layers, outermost first; the decoder mirrors them; none: dense layers only.
    pub conv: Vec<Convolution>,
    /// Units of the encoder's hidden layers, outermost first; the decoder mirrors them; none: a linear model.
    pub hidden: Vec<usize>,
    /// Dimensions of the latent space.
    pub latent: usize,
    /// What follows each hidden layer.
    pub activation: Activation,
    /// The covariance of q(z | x).
    pub posterior: Covariance,
    /// p(x | z).
    pub likelihood: Likelihood,
    /// The fixed variance of the observations, in squared pixel units; read by the Gaussian likelihood only.
    pub variance: f64,
    /// S, the number of Monte-Carlo samples of z an image and a step.
    pub samples: usize,
}

impl Default for Variational {
    fn default() -> Self {
        Self {
            conv: vec![],
            hidden: vec![400],
            latent: 20,
            activation: Activation::Relu,
            posterior: Covariance::Diagonal,
            likelihood: Likelihood::Bernoulli,
            variance: 1.0,
            samples: 1,
        }
    }
}

impl Variational {
    /// The most dimensions of a full covariance, whose numbers grow as their square.
    pub const WIDEST_FULL: usize = 128;

    pub(super) fn validate(&self) -> Result<()> {
        Convolution::validate(&self.conv)?;
        widths(&self.hidden, self.latent)?;
        if self.posterior == Covariance::Full && self.latent > Self::WIDEST_FULL {
            return Err(Error::usage(format!(
                "model.latent must be at most {} where model.posterior is full, not {}",
                Self::WIDEST_FULL,
                self.latent
            )));
        }
        at_least_one("model.samples", self.samples as u64)?;
        at_most("model.samples", self.samples, 1 << 16)?;
        if !(self.variance.is_finite() && self.variance > 0.0) {
            return Err(Error::usage(format!("model.variance must be finite and above 0, not {}", self.variance)));
        }
        Ok(())
    }
}

/// The covariance of q(z | x).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Covariance {
    /// A variance for each dimension.
    Diagonal,
    /// Any, as a lower triangle L with Σ = L Lᵀ.
    Full,
}

/// The distribution of a pixel given z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Likelihood {
    /// A bit; of grey pixels, the cross-entropy with the grey level as probability.
    Bernoulli,
    /// A normal distribution of fixed variance.
    Gaussian,
}

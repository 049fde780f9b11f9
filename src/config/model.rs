//! The settings of the models: one variant of [`Model`] a paper.

use super::Schedule;
use super::settings::{all_at_least, at_least_one, at_most};
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which model is trained: `[model]`, told apart by `kind`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Model {
    /// Reducing the Dimensionality of Data with Neural Networks, Hinton & Salakhutdinov 2006.
    Ae(Ae),
    /// Auto-Encoding Variational Bayes, Kingma & Welling 2013; β-VAE (Higgins et al. 2017) with `beta > 1`.
    Vae(Vae),
}

impl Model {
    /// What `model.kind` may be.
    pub const KINDS: &[&str] = &["ae", "vae"];

    pub(super) fn validate(&self) -> Result<()> {
        match self {
            Self::Ae(ae) => ae.validate(),
            Self::Vae(vae) => vae.validate(),
        }
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::Vae(Vae::default())
    }
}

/// A fully connected autoencoder with a linear code.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ae {
    /// Units of the encoder's hidden layers, outermost first; the decoder mirrors them; none: a linear model.
    pub hidden: Vec<usize>,
    /// Dimensions of the code.
    pub latent: usize,
    /// What follows each hidden layer.
    pub activation: Activation,
    /// What follows the last layer; the cross-entropy takes it for sigmoid.
    pub output: Activation,
    /// What is minimised.
    pub loss: Loss,
}

impl Default for Ae {
    fn default() -> Self {
        Self {
            hidden: vec![512, 256],
            latent: 30,
            activation: Activation::Relu,
            output: Activation::Sigmoid,
            loss: Loss::Mse,
        }
    }
}

impl Ae {
    fn validate(&self) -> Result<()> {
        widths(&self.hidden, self.latent)?;
        if self.loss == Loss::CrossEntropy && self.output != Activation::Sigmoid {
            return Err(Error::usage("model.output must be sigmoid where model.loss is cross-entropy"));
        }
        Ok(())
    }
}

/// What a plain autoencoder minimises, summed over pixels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The squared error.
    Mse,
    /// The cross-entropy of the pixels as probabilities, in nats.
    CrossEntropy,
}

/// The most units of a layer.
const WIDEST: usize = 1 << 20;

/// Refuses a code or a hidden layer of no units, or of too many.
fn widths(hidden: &[usize], latent: usize) -> Result<()> {
    if hidden.contains(&0) {
        return Err(Error::usage(format!("model.hidden has a layer of 0 units: {hidden:?}")));
    }
    hidden.iter().try_for_each(|&w| at_most("model.hidden", w, WIDEST))?;
    at_least_one("model.latent", latent as u64)?;
    at_most("model.latent", latent, WIDEST)
}

/// A fully connected VAE.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vae {
    /// Units of the encoder's hidden layers, outermost first; the decoder mirrors them; none: a linear model.
    pub hidden: Vec<usize>,
    /// Dimensions of the latent space.
    pub latent: usize,
    /// What follows each hidden layer.
    pub activation: Activation,
    /// p(x | z).
    pub likelihood: Likelihood,
    /// The fixed variance of the observations, in squared pixel units; read by the Gaussian likelihood only.
    pub variance: f64,
    /// S, the number of Monte-Carlo samples of z an image and a step.
    pub samples: usize,
    /// The weight of the KL term.
    pub beta: Schedule,
}

impl Default for Vae {
    fn default() -> Self {
        Self {
            hidden: vec![400],
            latent: 20,
            activation: Activation::Relu,
            likelihood: Likelihood::Bernoulli,
            variance: 1.0,
            samples: 1,
            beta: Schedule::Constant(1.0),
        }
    }
}

impl Vae {
    fn validate(&self) -> Result<()> {
        widths(&self.hidden, self.latent)?;
        at_least_one("model.samples", self.samples as u64)?;
        at_most("model.samples", self.samples, 1 << 16)?;
        if !(self.variance.is_finite() && self.variance > 0.0) {
            return Err(Error::usage(format!("model.variance must be finite and above 0, not {}", self.variance)));
        }
        all_at_least("model.beta", &self.beta, 0.0)
    }
}

/// The function after a hidden layer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// tanh x.
    Tanh,
    /// ln(1 + eˣ).
    Softplus,
    /// x.
    Linear,
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

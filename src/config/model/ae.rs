//! The settings of the plain autoencoder.

use super::{Activation, widths};
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

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
    pub(super) fn validate(&self) -> Result<()> {
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

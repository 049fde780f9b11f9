//! The settings of the fully connected network that the autoencoders without a prior share.

use super::{Activation, Convolution, widths};
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// An encoder of dense layers, with or without convolutions before them, its mirror image as decoder, and what they minimise. The settings of a model hold it by
/// `#[serde(flatten)]`: in a recipe its keys are the model's own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Dense {
    /// Convolutions before the encoder's dense layers, outermost first; the decoder mirrors them; none: dense layers only.
    pub conv: Vec<Convolution>,
    /// Units of the encoder's hidden layers, outermost first; the decoder mirrors them; none: one layer each way.
    pub hidden: Vec<usize>,
    /// Dimensions of the code.
    pub latent: usize,
    /// What follows each hidden layer.
    pub activation: Activation,
    /// What follows the code.
    pub code: Activation,
    /// What follows the last layer; the cross-entropy takes it for sigmoid.
    pub output: Activation,
    /// What is minimised.
    pub loss: Loss,
    /// The decoder's weights are the encoder's, transposed.
    pub tied: bool,
}

impl Default for Dense {
    fn default() -> Self {
        Self {
            conv: vec![],
            hidden: vec![512, 256],
            latent: 30,
            activation: Activation::Relu,
            code: Activation::Linear,
            output: Activation::Sigmoid,
            loss: Loss::Mse,
            tied: false,
        }
    }
}

impl Dense {
    pub(super) fn validate(&self) -> Result<()> {
        Convolution::validate(&self.conv)?;
        if self.tied {
            Convolution::none(&self.conv, "model.tied is true: the weights of dense layers are shared")?;
        }
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

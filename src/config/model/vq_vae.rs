//! The settings of VQ-VAE and VQ-VAE-2.

use super::super::settings::{at_least_one, at_most};
use super::Codebook;
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// A convolutional autoencoder whose code is, at each position, one of a book of vectors.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct VqVae {
    /// Channels of the encoder's and the decoder's maps.
    pub channels: usize,
    /// Residual blocks of each.
    pub blocks: usize,
    /// Channels within a residual block.
    pub residual: usize,
    /// The entries that stand for what the encoder gives.
    #[serde(flatten)]
    pub codebook: Codebook,
    /// p(x | z) of a pixel.
    pub pixel: Pixel,
    /// The variance of a `gaussian` pixel.
    pub variance: f64,
}

impl Default for VqVae {
    fn default() -> Self {
        Self {
            channels: 64,
            blocks: 2,
            residual: 32,
            codebook: Codebook::default(),
            pixel: Pixel::Gaussian,
            variance: 0.1,
        }
    }
}

impl VqVae {
    pub(super) fn validate(&self) -> Result<()> {
        at_least_one("model.channels", self.channels as u64)?;
        at_most("model.channels", self.channels, 1 << 14)?;
        if self.channels % 2 == 1 {
            return Err(Error::usage(format!(
                "model.channels must be even, not {}: the outermost layers have half of them",
                self.channels
            )));
        }
        at_most("model.blocks", self.blocks, 1 << 6)?;
        at_least_one("model.residual", self.residual as u64)?;
        at_most("model.residual", self.residual, 1 << 14)?;
        if !(self.variance.is_finite() && self.variance > 0.0) {
            return Err(Error::usage(format!("model.variance must be finite and above 0, not {}", self.variance)));
        }
        self.codebook.validate()
    }
}

/// A VQ-VAE of two levels, each with a codebook of its own.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VqVae2 {
    /// The settings, of both levels alike.
    pub net: VqVae,
}

/// p(x | z) of a pixel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pixel {
    /// N(x̂, variance).
    Gaussian,
    /// A softmax over the 256 levels of a byte.
    Softmax,
}

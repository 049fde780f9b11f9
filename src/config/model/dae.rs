//! The settings of the denoising autoencoder.

use super::Dense;
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// An autoencoder that sees a corrupted input and is to give the clean one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Dae {
    /// The network and its loss.
    #[serde(flatten)]
    pub net: Dense,
    /// How the input is corrupted in training.
    pub corruption: Corruption,
    /// How much: the fraction of dimensions, or of Gaussian noise the standard deviation, in pixel units.
    pub level: f64,
    /// The weights [α, β] of the loss on corrupted and on clean dimensions.
    pub emphasis: [f64; 2],
}

impl Default for Dae {
    fn default() -> Self {
        Self { net: Dense::default(), corruption: Corruption::Masking, level: 0.25, emphasis: [1.0, 1.0] }
    }
}

impl Dae {
    pub(super) fn validate(&self) -> Result<()> {
        self.net.validate()?;
        let refuse = |text: String| Err(Error::usage(text));
        let gaussian = self.corruption == Corruption::Gaussian;
        if !(self.level.is_finite() && self.level >= 0.0 && (gaussian || self.level <= 1.0)) {
            let allowed = if gaussian { "finite and at least 0" } else { "from 0 to 1" };
            return refuse(format!("model.level must be {allowed}, not {}", self.level));
        }
        let [on_corrupted, on_clean] = self.emphasis;
        if !self.emphasis.iter().all(|w| w.is_finite() && *w >= 0.0) || self.emphasis == [0.0, 0.0] {
            return refuse(format!(
                "model.emphasis must be two finite weights of at least 0, not both 0: {:?}",
                self.emphasis
            ));
        }
        if gaussian && on_corrupted != on_clean {
            return refuse(format!(
                "model.emphasis cannot be {:?} where model.corruption is gaussian, which corrupts every dimension: take \
                 two equal weights",
                self.emphasis
            ));
        }
        if on_clean == 0.0 && self.level == 0.0 {
            return refuse(
                "model.level cannot be 0 where model.emphasis is 0 on clean dimensions: no loss is left".into(),
            );
        }
        Ok(())
    }
}

/// How an input is corrupted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corruption {
    /// The same fraction of each example, at random, is set to 0.
    Masking,
    /// Each dimension on its own is set to 0 with this probability.
    MaskingBernoulli,
    /// Normal noise of this standard deviation is added.
    Gaussian,
    /// Each dimension on its own is with this probability set to 0 or 1, by a fair coin.
    SaltAndPepper,
}

//! The settings of the sparse autoencoder.

use super::super::Schedule;
use super::super::settings::all_at_least;
use super::{Activation, Convolution, Dense};
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// An autoencoder whose units are on average almost never on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Sparse {
    /// The network and its loss.
    #[serde(flatten)]
    pub net: Dense,
    /// ρ, the mean activation that each unit is to have.
    pub rho: f64,
    /// The weight of the penalty.
    pub weight: Schedule,
    /// What a unit's activation is averaged over.
    pub average: Average,
    /// The decay of the moving average; read by `ema` only.
    pub decay: f64,
}

impl Default for Sparse {
    fn default() -> Self {
        Self { net: Dense::default(), rho: 0.05, weight: Schedule::Constant(3.0), average: Average::Batch, decay: 0.9 }
    }
}

impl Sparse {
    /// The most hidden layers of the encoder: the mean of each layer is a metric with a name of its own.
    pub const DEEPEST: usize = 7;

    pub(super) fn validate(&self) -> Result<()> {
        self.net.validate()?;
        Convolution::none(&self.net.conv, "model.kind is sparse: the penalty is on dense layers")?;
        let refuse = |text: String| Err(Error::usage(text));
        for (key, activation) in [("model.activation", self.net.activation), ("model.code", self.net.code)] {
            if activation != Activation::Sigmoid {
                return refuse(format!(
                    "{key} must be sigmoid where model.kind is sparse: the penalty takes an activation for a \
                     probability"
                ));
            }
        }
        if self.net.hidden.len() > Self::DEEPEST {
            let (n, most) = (self.net.hidden.len(), Self::DEEPEST);
            return refuse(format!("model.hidden may have {most} layers where model.kind is sparse, not {n}"));
        }
        if !(self.rho > 0.0 && self.rho < 1.0) {
            return refuse(format!("model.rho must be above 0 and below 1, not {}", self.rho));
        }
        if !(self.decay >= 0.0 && self.decay < 1.0) {
            return refuse(format!("model.decay must be at least 0 and below 1, not {}", self.decay));
        }
        all_at_least("model.weight", &self.weight, 0.0)
    }
}

/// What a unit's activation is averaged over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Average {
    /// The batch.
    Batch,
    /// The batches so far, the latest most.
    Ema,
}

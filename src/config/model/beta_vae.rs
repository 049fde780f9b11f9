//! The settings of the β-VAE.

use super::super::Schedule;
use super::super::settings::all_at_least;
use super::Variational;
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// A VAE whose KL term is weighted, limited or held at a capacity.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct BetaVae {
    /// The network, that of the VAE.
    #[serde(flatten)]
    pub net: Variational,
    /// What is done with the KL term.
    pub control: Control,
    /// β, its weight; read by the control `weight` only.
    pub beta: Schedule,
    /// δ, what the KL is to stay below, nats; read by the control `limit` only.
    pub delta: f64,
    /// The step of ln β by (KL − δ)/δ; read by the control `limit` only.
    pub rate: f64,
    /// The least and the greatest β, which begins at 1; read by the control `limit` only.
    pub bounds: [f64; 2],
    /// γ, the weight of its distance from the capacity; read by the control `capacity` only.
    pub gamma: f64,
    /// C, the capacity, nats; read by the control `capacity` only.
    pub capacity: Schedule,
}

impl Default for BetaVae {
    fn default() -> Self {
        Self {
            net: Variational::default(),
            control: Control::Weight,
            beta: Schedule::Constant(4.0),
            delta: 10.0,
            rate: 0.03,
            bounds: [1e-4, 1e3],
            gamma: 10.0,
            capacity: Schedule::Linear { from: 0.0, to: 20.0, steps: 4000, start: 0 },
        }
    }
}

impl BetaVae {
    pub(super) fn validate(&self) -> Result<()> {
        self.net.validate()?;
        all_at_least("model.beta", &self.beta, 0.0)?;
        for (key, value) in [("model.delta", self.delta), ("model.rate", self.rate)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::usage(format!("{key} must be finite and above 0, not {value}")));
            }
        }
        let [least, most] = self.bounds;
        if !(least > 0.0 && least <= 1.0 && most >= 1.0 && most.is_finite() && least < most) {
            return Err(Error::usage(format!(
                "model.bounds must be two finite numbers above 0 with 1 between them, where β begins: {:?}",
                self.bounds
            )));
        }
        if !(self.gamma.is_finite() && self.gamma > 0.0) {
            return Err(Error::usage(format!("model.gamma must be finite and above 0, not {}", self.gamma)));
        }
        all_at_least("model.capacity", &self.capacity, 0.0)
    }
}

/// What is done with the KL term of a β-VAE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Control {
    /// β·KL, β given.
    Weight,
    /// KL < δ, by a multiplier β that follows it.
    Limit,
    /// γ·|KL − C|, C rising step by step.
    Capacity,
}

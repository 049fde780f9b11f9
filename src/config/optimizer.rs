//! The settings of the optimizers.

use super::Schedule;
use super::settings::all_at_least;
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// How weights follow gradients: `[optimizer]`, told apart by `kind`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Optimizer {
    /// Adam, Kingma & Ba 2014.
    Adam(Adam),
    /// Stochastic gradient descent with momentum.
    Sgd(Sgd),
}

impl Optimizer {
    /// What `optimizer.kind` may be.
    pub const KINDS: &[&str] = &["adam", "sgd"];

    /// The learning rate, which every optimizer has.
    pub fn learning_rate(&self) -> &Schedule {
        match self {
            Self::Adam(Adam { learning_rate, .. }) | Self::Sgd(Sgd { learning_rate, .. }) => learning_rate,
        }
    }

    /// The longest gradient, by its norm; 0: any.
    pub fn clip(&self) -> f64 {
        match self {
            Self::Adam(Adam { clip, .. }) | Self::Sgd(Sgd { clip, .. }) => *clip,
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        all_at_least("optimizer.learning_rate", self.learning_rate(), 0.0)?;
        if self.learning_rate().range().1 == 0.0 {
            return Err(Error::usage("optimizer.learning_rate must be above 0 at some step"));
        }
        if !(self.clip().is_finite() && self.clip() >= 0.0) {
            return Err(Error::usage(format!("optimizer.clip must be finite and at least 0, not {}", self.clip())));
        }
        match self {
            Self::Adam(adam) => adam.validate(),
            Self::Sgd(sgd) => decay("optimizer.momentum", sgd.momentum),
        }
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adam(Adam::default())
    }
}

/// Adam with bias correction.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// The step size; may begin at 0.
    pub learning_rate: Schedule,
    /// The decay of the mean of the gradient, in [0, 1).
    pub beta1: f64,
    /// The decay of the mean of its square, in [0, 1).
    pub beta2: f64,
    /// Added to the root of the mean square, in units of the gradient.
    pub epsilon: f64,
    /// The longest gradient, by its norm over all weights that are updated; 0: any.
    pub clip: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { learning_rate: Schedule::Constant(1e-3), beta1: 0.9, beta2: 0.999, epsilon: 1e-8, clip: 0.0 }
    }
}

impl Adam {
    fn validate(&self) -> Result<()> {
        decay("optimizer.beta1", self.beta1)?;
        decay("optimizer.beta2", self.beta2)?;
        if !(self.epsilon.is_finite() && self.epsilon > 0.0) {
            return Err(Error::usage(format!("optimizer.epsilon must be finite and above 0, not {}", self.epsilon)));
        }
        Ok(())
    }
}

/// Stochastic gradient descent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// The step size; may begin at 0.
    pub learning_rate: Schedule,
    /// The decay of the running sum of gradients, in [0, 1); 0: plain descent.
    pub momentum: f64,
    /// The longest gradient, by its norm over all weights that are updated; 0: any.
    pub clip: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { learning_rate: Schedule::Constant(1e-3), momentum: 0.9, clip: 0.0 }
    }
}

fn decay(key: &str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(Error::usage(format!("{key} must be at least 0 and below 1, not {value}")))
}

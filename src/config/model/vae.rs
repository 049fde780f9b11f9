//! The settings of the VAE.

use super::super::Schedule;
use super::super::settings::all_at_least;
use super::Variational;
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// A fully connected VAE.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Vae {
    /// The network.
    #[serde(flatten)]
    pub net: Variational,
    /// The weight of the KL term: 1, or a schedule that warms up to it.
    pub beta: Schedule,
    /// The bound on ln p(x) that is raised.
    pub objective: Objective,
}

impl Default for Vae {
    fn default() -> Self {
        Self { net: Variational::default(), beta: Schedule::Constant(1.0), objective: Objective::Elbo }
    }
}

impl Vae {
    pub(super) fn validate(&self) -> Result<()> {
        self.net.validate()?;
        all_at_least("model.beta", &self.beta, 0.0)?;
        if self.objective == Objective::Iwae && self.beta != Schedule::Constant(1.0) {
            return Err(Error::usage(
                "model.beta must be 1 where model.objective is iwae: that bound has no KL term to weigh",
            ));
        }
        Ok(())
    }
}

/// A lower bound on ln p(x).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// E ln w, the mean over the samples, its KL exact.
    Elbo,
    /// E ln of the mean of w over the samples.
    Iwae,
}

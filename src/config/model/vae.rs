//! The settings of the VAE.

use super::super::Schedule;
use super::super::settings::all_at_least;
use super::Variational;
use crate::values::Result;
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
}

impl Default for Vae {
    fn default() -> Self {
        Self { net: Variational::default(), beta: Schedule::Constant(1.0) }
    }
}

impl Vae {
    pub(super) fn validate(&self) -> Result<()> {
        self.net.validate()?;
        all_at_least("model.beta", &self.beta, 0.0)
    }
}

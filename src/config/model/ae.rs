//! The settings of the plain autoencoder.

use super::Dense;
use crate::values::Result;
use serde::{Deserialize, Serialize};

/// An autoencoder, and nothing else.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ae {
    /// The network and its loss.
    #[serde(flatten)]
    pub net: Dense,
}

impl Ae {
    pub(super) fn validate(&self) -> Result<()> {
        self.net.validate()
    }
}

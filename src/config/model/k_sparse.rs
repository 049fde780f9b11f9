//! The settings of the k-sparse autoencoder.

use super::super::Schedule;
use super::super::settings::all_at_least;
use super::widths;
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// An autoencoder with a linear code of which the k largest units are kept; its decoder is the encoder, transposed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KSparse {
    /// Dimensions of the code.
    pub latent: usize,
    /// k, the units that training keeps, rounded to the nearest whole number.
    pub k: Schedule,
    /// α: evaluation keeps αk units, of the last k of the schedule.
    pub alpha: f64,
}

impl Default for KSparse {
    fn default() -> Self {
        Self { latent: 1000, k: Schedule::Constant(25.0), alpha: 1.0 }
    }
}

impl KSparse {
    /// The units that evaluation keeps: αk, of the value that the schedule of k ends with.
    pub fn kept(&self) -> usize {
        (self.alpha * self.k.end().round()).round() as usize
    }

    pub(super) fn validate(&self) -> Result<()> {
        widths(&[], self.latent)?;
        all_at_least("model.k", &self.k, 1.0)?;
        let most = self.k.range().1;
        if most > self.latent as f64 {
            let latent = self.latent;
            return Err(Error::usage(format!(
                "model.k must be at most model.latent = {latent} at every step, not {most}"
            )));
        }
        if !(self.alpha.is_finite() && self.alpha >= 1.0) {
            return Err(Error::usage(format!("model.alpha must be finite and at least 1, not {}", self.alpha)));
        }
        if self.kept() > self.latent {
            let (kept, alpha, k, latent) = (self.kept(), self.alpha, self.k.end(), self.latent);
            return Err(Error::usage(format!(
                "model.alpha = {alpha} times the last model.k = {k} keeps {kept} units, more than model.latent = {latent}"
            )));
        }
        Ok(())
    }
}

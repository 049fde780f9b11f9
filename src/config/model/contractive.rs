//! The settings of the contractive autoencoder.

use super::super::Schedule;
use super::super::settings::{all_at_least, at_least_one, at_most};
use super::{Convolution, Dense};
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// The most blocks of the exact penalty: each is a part of the plan of its own.
const MOST_BLOCKS: usize = 256;

/// An autoencoder whose code changes little with its input.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Contractive {
    /// The network and its loss.
    #[serde(flatten)]
    pub net: Dense,
    /// λ, the weight of ‖∂f(x)/∂x‖²_F.
    pub weight: Schedule,
    /// How that is computed.
    pub penalty: JacobianPenalty,
    /// Random directions an image and a step; read by the penalty `hutchinson` only.
    pub samples: usize,
    /// Rows of the Jacobian at once, which bounds memory; read by the penalty `exact` only.
    pub block: usize,
}

impl Default for Contractive {
    fn default() -> Self {
        // The penalty that fits every depth.
        let penalty = JacobianPenalty::Hutchinson;
        Self { net: Dense::default(), weight: Schedule::Constant(0.1), penalty, samples: 1, block: 32 }
    }
}

impl Contractive {
    pub(super) fn validate(&self) -> Result<()> {
        self.net.validate()?;
        Convolution::none(&self.net.conv, "model.kind is contractive: the penalty is on dense layers")?;
        all_at_least("model.weight", &self.weight, 0.0)?;
        at_least_one("model.samples", self.samples as u64)?;
        at_most("model.samples", self.samples, 1 << 16)?;
        at_least_one("model.block", self.block as u64)?;
        at_most("model.block", self.block, 1 << 16)?;
        if self.penalty == JacobianPenalty::ClosedForm && !self.net.hidden.is_empty() {
            return Err(Error::usage(format!(
                "model.penalty = \"closed-form\" is for an encoder of one layer, and model.hidden = {:?} makes it one \
                 of {}: set model.penalty to exact or hutchinson, or model.hidden to []",
                self.net.hidden,
                self.net.hidden.len() + 1
            )));
        }
        let (units, blocks) = (self.net.latent, self.net.latent.div_ceil(self.block));
        if self.penalty == JacobianPenalty::Exact && blocks > MOST_BLOCKS {
            return Err(Error::usage(format!(
                "model.block = {} would cut the {units} units of model.latent into {blocks} blocks, more than \
                 {MOST_BLOCKS}: raise it to {} or more, or set model.penalty to hutchinson",
                self.block,
                units.div_ceil(MOST_BLOCKS)
            )));
        }
        Ok(())
    }
}

/// How ‖∂f(x)/∂x‖²_F is computed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JacobianPenalty {
    /// Σ_j f′(a_j)² ‖w_j‖²: an encoder of one layer.
    ClosedForm,
    /// Row by row of the Jacobian: any depth, work in proportion to the units of the code.
    Exact,
    /// Hutchinson's estimate: the mean of ‖vᵀ∂f(x)/∂x‖² over random signs v: any depth, without bias.
    Hutchinson,
}

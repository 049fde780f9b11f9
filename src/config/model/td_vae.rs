//! The settings of TD-VAE.

use super::super::settings::{at_least_one, at_most};
use super::{Likelihood, WIDEST};
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// A TD-VAE over sequences.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct TdVae {
    /// Units of the hidden layers that each frame passes, ReLU, before the belief reads it; none: as it is.
    pub frame: Vec<usize>,
    /// Units of the LSTM whose state at a time is the belief.
    pub belief: usize,
    /// Layers of z; the upper ones are sampled first.
    pub layers: usize,
    /// Dimensions of z a layer.
    pub latent: usize,
    /// Units of the gated hidden layer of each conditional distribution.
    pub gated: usize,
    /// Units of the decoder's hidden layers, tanh, from z on; none: a linear decoder.
    pub decoder: Vec<usize>,
    /// p(x | z).
    pub likelihood: Likelihood,
    /// The fixed variance of the observations; read by the Gaussian likelihood only.
    pub variance: f64,
    /// The shortest and the longest jump t2 − t1, drawn uniformly.
    pub jumps: [usize; 2],
    /// The shortest and the longest of other jumps.
    pub far_jumps: [usize; 2],
    /// The probability that a jump is one of the other ones.
    pub far: f64,
    /// Steps over which the longest jumps grow from the shortest, in training; 0: they are as long from the start.
    pub grow: u32,
    /// (t1, t2) drawn a sequence and a step.
    pub samples: usize,
    /// Whether smoothing and transition are told t2 − t1.
    pub elapsed: bool,
    /// The periods, 4, 8, 16, …, by sin and cos in which t2 − t1 is told, the last of them above the longest jump; 0: as one
    /// number. Read where `elapsed` is set.
    pub periods: usize,
}

impl Default for TdVae {
    fn default() -> Self {
        Self {
            frame: vec![256],
            belief: 50,
            layers: 1,
            latent: 8,
            gated: 50,
            decoder: vec![200, 200],
            likelihood: Likelihood::Bernoulli,
            variance: 1.0,
            jumps: [1, 4],
            far_jumps: [1, 4],
            far: 0.0,
            grow: 0,
            samples: 4,
            elapsed: true,
            periods: 0,
        }
    }
}

impl TdVae {
    /// The most layers of z.
    pub const MOST_LAYERS: usize = 8;

    /// The most units of the belief: those of four rows share a workgroup (`MAX_UNITS` in src/kernels/lstm.rs).
    pub const MOST_UNITS: usize = 160;

    /// The most periods: whole numbers below the longest are exact (`MOST_PERIODS` in src/kernels/sinusoids.rs).
    pub const MOST_PERIODS: usize = 22;

    /// The longest jump that is drawn.
    pub fn longest(&self) -> usize {
        if self.far > 0.0 { self.jumps[1].max(self.far_jumps[1]) } else { self.jumps[1] }
    }

    /// A distance in time as jumps of which none is longer than training draws, as even as they can be.
    pub fn jumps_over(&self, distance: usize) -> Vec<usize> {
        let parts = distance.div_ceil(self.longest());
        (0..parts).map(|i| distance * (i + 1) / parts - distance * i / parts).collect()
    }

    pub(super) fn validate(&self) -> Result<()> {
        for (key, widths) in [("model.frame", &self.frame), ("model.decoder", &self.decoder)] {
            if widths.contains(&0) {
                return Err(Error::usage(format!("{key} has a layer of 0 units: {widths:?}")));
            }
            widths.iter().try_for_each(|&w| at_most(key, w, WIDEST))?;
        }
        at_most("model.periods", self.periods, Self::MOST_PERIODS)?;
        // A jump of the longest period would be told as one of none.
        let period = 2usize << self.periods;
        if self.elapsed && self.periods > 0 && self.longest() >= period {
            return Err(Error::usage(format!(
                "model.periods={} tells jumps of less than {period} steps apart, and the longest has {}: give more periods, or 0",
                self.periods,
                self.longest()
            )));
        }
        let most = Self::MOST_UNITS;
        for (key, value, most) in [
            ("model.belief", self.belief, most),
            ("model.layers", self.layers, Self::MOST_LAYERS),
            ("model.latent", self.latent, WIDEST),
            ("model.gated", self.gated, WIDEST),
            ("model.samples", self.samples, 1 << 12),
        ] {
            at_least_one(key, value as u64)?;
            at_most(key, value, most)?;
        }
        for (key, [lo, hi]) in [("model.jumps", self.jumps), ("model.far_jumps", self.far_jumps)] {
            if lo < 1 || hi < lo {
                return Err(Error::usage(format!(
                    "{key} must be the shortest jump, at least 1, and the longest: {:?}",
                    [lo, hi]
                )));
            }
            at_most(key, hi, 1 << 16)?;
            // What the kernel multiplies (src/kernels/jumps.rs).
            at_most("model.grow", self.grow as usize, u32::MAX as usize / hi)?;
        }
        if !(0.0..=1.0).contains(&self.far) {
            return Err(Error::usage(format!("model.far must be a probability from 0 to 1, not {}", self.far)));
        }
        if !(self.variance.is_finite() && self.variance > 0.0) {
            return Err(Error::usage(format!("model.variance must be finite and above 0, not {}", self.variance)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_so_many_jumps_of_which_none_is_longer_than_is_drawn() {
        let of = |jumps: [usize; 2], far: f64| TdVae { jumps, far, far_jumps: [1, 8], ..TdVae::default() };
        assert_eq!(of([1, 4], 0.0).jumps_over(20), [4; 5]);
        assert_eq!(of([1, 4], 0.1).jumps_over(20), [6, 7, 7]);
        assert_eq!(of([1, 20], 0.0).jumps_over(20), [20]);
        assert_eq!(of([1, 1], 0.0).jumps_over(3), [1; 3]);
    }
}

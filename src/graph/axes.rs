//! Names for the axes that a formula reduces over. Monte-Carlo samples stand in front of the batch, features after it.

use crate::values::Shape;
use std::ops::Range;

/// A set of neighbouring axes, relative to the batch axis that a tensor carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Axes {
    /// Every axis before the batch.
    Samples,
    /// The batch axis.
    Batch,
    /// Every axis after the batch.
    Features,
    /// Every axis.
    All,
    /// Axes by number, `.0 .. .1`.
    Numbered(usize, usize),
}

/// Monte-Carlo samples: every axis before the batch.
pub const SAMPLES: Axes = Axes::Samples;
/// The batch axis.
pub const BATCH: Axes = Axes::Batch;
/// Every axis after the batch: pixels, channels.
pub const FEATURES: Axes = Axes::Features;
/// Every axis after the batch, of a latent tensor.
pub const LATENTS: Axes = Axes::Features;

impl Axes {
    /// The numbers of the axes, or why the tensor has none such.
    pub(super) fn resolve(self, shape: Shape, batch: Option<usize>) -> Result<Range<usize>, String> {
        let known = || batch.ok_or_else(|| format!("a tensor of shape {shape} without a batch axis has no {self:?}"));
        let range = match self {
            Axes::Samples => 0..known()?,
            Axes::Batch => known()?..known()? + 1,
            Axes::Features => known()? + 1..shape.rank(),
            Axes::All => 0..shape.rank(),
            Axes::Numbered(a, b) => a..b,
        };
        if range.end > shape.rank() || range.start > range.end {
            return Err(format!("axes {range:?} of a tensor of shape {shape}"));
        }
        Ok(range)
    }
}

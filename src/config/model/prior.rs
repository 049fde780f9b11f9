//! The settings of a prior over the codes of a VQ-VAE.

use super::super::settings::{at_least_one, at_most};
use super::WIDEST;
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// p(c) of the codes of one level, one after the other: a gated PixelCNN. What it is of, `elbo prior` takes from the run whose
/// codes they are: an example is its codes of all levels, and a level is known from those before it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Prior {
    /// Channels of both stacks.
    pub channels: usize,
    /// Gated layers.
    pub layers: usize,
    /// How far a layer sees along each axis.
    pub radius: usize,
    /// Positions attend to all before them, in every second layer.
    pub attention: bool,
    /// The share of what a layer adds that is left out in training, each number on its own.
    pub dropout: f64,
    /// The name of the level, where there are several: `top`, `bottom`.
    pub level: String,
    /// Its extents: \[height, width, books of a position, entries of a book\].
    pub map: [usize; 4],
    /// Those of the level above, whose codes come first in an example and are known; empty: there is none.
    pub above: Vec<usize>,
}

impl Default for Prior {
    fn default() -> Self {
        Self {
            channels: 32,
            layers: 5,
            radius: 2,
            attention: false,
            dropout: 0.1,
            level: String::new(),
            map: [7, 7, 1, 256],
            above: vec![],
        }
    }
}

impl Prior {
    /// Codes of the level in an example.
    pub fn codes(&self) -> usize {
        self.map[..3].iter().product()
    }

    /// Codes of the level above, which come first.
    pub fn known(&self) -> usize {
        self.above.iter().take(3).product::<usize>() * usize::from(!self.above.is_empty())
    }

    /// Codes of an example that it reads: these, and its own.
    pub fn example(&self) -> usize {
        self.known() + self.codes()
    }

    pub(super) fn validate(&self) -> Result<()> {
        let sizes = [("model.channels", self.channels), ("model.layers", self.layers), ("model.radius", self.radius)];
        for (key, value) in sizes {
            at_least_one(key, value as u64)?;
            at_most(key, value, 1 << 14)?;
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(Error::usage(format!("model.dropout must be at least 0 and below 1, not {}", self.dropout)));
        }
        if !matches!(self.above.len(), 0 | 4) {
            return Err(Error::usage(format!(
                "model.above must be [height, width, books, entries], or empty, not {:?}",
                self.above
            )));
        }
        for (key, extents) in [("model.map", &self.map[..]), ("model.above", &self.above)] {
            for &n in extents {
                at_least_one(key, n as u64)?;
                at_most(key, n, 1 << 15)?;
            }
            at_most(key, extents.iter().take(3).product(), WIDEST)?;
        }
        // The map is twice as large as the one above, or one more, as a convolution of stride 2 halves it.
        if let [rows, columns, ..] = self.above[..]
            && !(self.map[0] == self.map[1] && rows == columns && self.map[0] / 2 == rows)
        {
            return Err(Error::usage(format!(
                "model.above must be half of model.map along each axis, and both square: {rows} × {columns} is not, of {} × {}",
                self.map[0], self.map[1]
            )));
        }
        Ok(())
    }
}

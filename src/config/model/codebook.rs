//! The settings of a codebook, which the VQ-VAEs share.

use super::super::settings::{at_least_one, at_most};
use super::WIDEST;
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// Entries that stand for vectors, and how they are learned. The settings of a model hold it by `#[serde(flatten)]`: in a
/// recipe its keys are the model's own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Codebook {
    /// Entries of a book.
    pub entries: usize,
    /// Dimensions of a vector, of all books together.
    pub dimensions: usize,
    /// Books of a position: each has an equal part of the vector's dimensions, and a code of its own.
    pub books: usize,
    /// The weight of what pulls the encoder to the entries.
    pub commitment: f64,
    /// How entries are learned.
    pub update: Update,
    /// How much the moving averages of `ema` keep from step to step.
    pub decay: f64,
    /// Of `ema`: an entry that is used less often than this share of an even use is replaced; 0: none is.
    pub dead: f64,
    /// Of `ema`: where entries begin.
    pub start: Start,
}

impl Default for Codebook {
    fn default() -> Self {
        Self {
            entries: 256,
            dimensions: 64,
            books: 1,
            commitment: 0.25,
            update: Update::Ema,
            decay: 0.99,
            dead: 0.1,
            start: Start::KMeans,
        }
    }
}

impl Codebook {
    /// The most entries of a book.
    const MOST: usize = 1 << 15;

    pub(super) fn validate(&self) -> Result<()> {
        for (key, value, most) in [
            ("model.entries", self.entries, Self::MOST),
            ("model.dimensions", self.dimensions, WIDEST),
            ("model.books", self.books, WIDEST),
        ] {
            at_least_one(key, value as u64)?;
            at_most(key, value, most)?;
        }
        if !self.dimensions.is_multiple_of(self.books) {
            let (d, books) = (self.dimensions, self.books);
            return Err(Error::usage(format!("model.dimensions = {d} is no multiple of model.books = {books}")));
        }
        if !(self.commitment.is_finite() && self.commitment >= 0.0) {
            let text = format!("model.commitment must be finite and at least 0, not {}", self.commitment);
            return Err(Error::usage(text));
        }
        for (key, value) in [("model.decay", self.decay), ("model.dead", self.dead)] {
            if !(0.0..1.0).contains(&value) {
                return Err(Error::usage(format!("{key} must be at least 0 and below 1, not {value}")));
            }
        }
        if self.update == Update::Gradient && (self.dead > 0.0 || self.start == Start::KMeans) {
            return Err(Error::usage(
                "model.update = \"gradient\" takes model.dead = 0 and model.start = \"uniform\": replacement and k-means \
                 are of entries that are moving averages",
            ));
        }
        Ok(())
    }
}

/// How entries are learned.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Update {
    /// Moving averages of the vectors that they stand for.
    Ema,
    /// By the gradient of the codebook loss, as parameters.
    Gradient,
}

/// Where entries begin.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Ten rounds of k-means on the vectors of the first batch.
    KMeans,
    /// Uniform on ±1/entries.
    Uniform,
}

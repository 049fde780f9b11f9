//! `[classifier]`: a trained encoder, fine-tuned on labels.

use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};

/// `[classifier]`: with classes, what is trained is a softmax on the code, on labels, and there is no decoder.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Classifier {
    /// Labels are 0 up to this, itself not among them; 0: there is no classifier, the autoencoder is trained.
    pub classes: usize,
    /// The encoder keeps its weights: a linear probe.
    pub freeze: bool,
    /// The folder of the run whose weights the encoder begins with; empty: first weights.
    pub from: String,
}

impl Classifier {
    /// A label is a byte.
    pub const MOST: usize = 256;

    /// Whether there is one.
    pub fn wanted(&self) -> bool {
        self.classes > 0
    }

    pub(super) fn validate(&self) -> Result<()> {
        let most = Self::MOST;
        match (self.classes, self.freeze, self.from.as_str()) {
            (0, false, "") | (2..=Self::MOST, ..) => Ok(()),
            (0, true, _) => Err(Error::usage("classifier.freeze needs a classifier: classifier.classes is 0")),
            (0, ..) => Err(Error::usage("classifier.from needs a classifier: classifier.classes is 0")),
            (n, ..) => Err(Error::usage(format!("classifier.classes must be 0 or from 2 to {most}, not {n}"))),
        }
    }
}

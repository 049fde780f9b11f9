//! Labels, as a split that is fed beside the images: one 1 a row.

use crate::data::{Dataset, Split};
use crate::values::{Error, Result};

/// The number of classes of a data set: one more than the largest label of its training images.
pub fn classes(data: &Dataset) -> Result<usize> {
    match data.train.labels.iter().max() {
        Some(&most) => Ok(usize::from(most) + 1),
        None => Err(none(&data.name, "training")),
    }
}

fn none(name: &str, part: &str) -> Error {
    Error::usage(format!(
        "the {part} images of `{name}` have no labels, which a classifier learns and is measured by: a folder has them in \
         train-labels-idx1-ubyte and t10k-labels-idx1-ubyte"
    ))
}

/// The labels of a split as images of `classes` pixels, white at the label. `part` and the data set's name are for
/// messages.
pub(super) fn one_hot(split: &Split, name: &str, part: &str, classes: usize) -> Result<Split> {
    if split.labels.len() != split.len() {
        return Err(none(name, part));
    }
    let mut bytes = vec![0; split.len() * classes];
    for (i, &label) in split.labels.iter().enumerate() {
        let label = usize::from(label);
        if label >= classes {
            return Err(Error::usage(format!(
                "{part} image {i} of `{name}` has the label {label}, and classifier.classes = {classes} allows 0 to {}",
                classes - 1
            )));
        }
        bytes[i * classes + label] = u8::MAX;
    }
    Ok(Split::stored(bytes, vec![], classes))
}

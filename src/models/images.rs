//! What a batch of numbers is as images.

use crate::values::{Error, Result};

/// \[height, width, channels\] of square images of so many numbers, grey or of three colours (no number is both: 3 is no
/// square of a ratio).
pub fn square(features: usize) -> Result<[usize; 3]> {
    let of = |channels: usize| {
        let side = (features / channels).isqrt();
        (side * side * channels == features).then_some([side, side, channels])
    };
    of(1).or_else(|| of(3)).ok_or_else(|| {
        Error::usage(format!(
            "an example of {features} numbers is no square image, grey or of three colours, which convolutions take"
        ))
    })
}

//! The grid of sprites: 737,280 pictures of a square, an ellipse or a heart, which are drawn where they are used and never
//! stored.

use super::dataset::{Dataset, Options, Split};
use crate::kernels::outlines::{COUNT, SIDE};
use crate::values::{Philox, Result, permutation, stream};

/// The grid in an order of its own, so that the first pictures of a split are a sample of all; a tenth, or `data.test`, is
/// for testing.
pub fn load(name: &str, o: &Options) -> Result<Dataset> {
    let order = permutation(COUNT, Philox::new(0, stream("data.sprites", 0), 0));
    Dataset::divide(name.into(), [SIDE, SIDE, 1], Split::sprites(order), None, o)
}

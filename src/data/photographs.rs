//! Pieces of 32 × 32 pixels of three photographs, which are shipped; one of them is for testing alone.

use super::dataset::{Dataset, Options, Split};
use super::{assets, rgb};
use crate::values::{Philox, Result, stream};

/// Pixels along a piece.
const SIDE: usize = 32;
/// The photographs that training draws from; pieces of each.
const TRAIN: ([&str; 2], usize) = (["astronaut.png", "coffee.png"], 5000);
/// The one that is held out; its pieces.
const TEST: (&str, usize) = ("chelsea.png", 1000);

/// Pieces at random places, the same at every call, without labels. Whatever the run's seed, two runs are
/// measured on the same ones.
pub fn load(name: &str, o: &Options) -> Result<Dataset> {
    let (files, of_each) = TRAIN;
    let folder = assets::folder(name, &[files[0], files[1], TEST.0])?;
    let pieces = |ordinal: usize, file: &str, n: usize, into: &mut Vec<u8>| -> Result<()> {
        let (extent, bytes) = rgb::read(&folder.join(file), SIDE)?;
        let rng = Philox::new(0, stream("data.photographs", ordinal), 0);
        let place = |word: usize, axis: usize| (rng.word(word as u64) as usize) % (extent[axis] - SIDE + 1);
        for i in 0..n {
            into.extend(rgb::cut(&bytes, extent, [place(2 * i, 0), place(2 * i + 1, 1)], SIDE));
        }
        Ok(())
    };
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (ordinal, file) in files.iter().enumerate() {
        pieces(ordinal, file, of_each, &mut train)?;
    }
    pieces(files.len(), TEST.0, TEST.1, &mut test)?;
    let [train, test] = [train, test].map(|bytes| Split::stored(bytes, vec![], SIDE * SIDE * 3));
    Dataset::divide(name.into(), [SIDE, SIDE, 3], train, Some(test), o)
}

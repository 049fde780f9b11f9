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

/// Pieces at random places, the same at every call; the label is the photograph. Whatever the run's seed, two runs are
/// measured on the same ones.
pub fn load(name: &str, o: &Options) -> Result<Dataset> {
    let (files, of_each) = TRAIN;
    let folder = assets::folder(name, &[files[0], files[1], TEST.0])?;
    let pieces = |label: u8, file: &str, n: usize, into: &mut Vec<u8>| -> Result<()> {
        let (extent, bytes) = rgb::read(&folder.join(file), SIDE)?;
        let rng = Philox::new(0, stream("data.photographs", label.into()), 0);
        let place = |word: usize, axis: usize| (rng.word(word as u64) as usize) % (extent[axis] - SIDE + 1);
        for i in 0..n {
            into.extend(rgb::cut(&bytes, extent, [place(2 * i, 0), place(2 * i + 1, 1)], SIDE));
        }
        Ok(())
    };
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (label, file) in files.iter().enumerate() {
        pieces(label as u8, file, of_each, &mut train)?;
    }
    pieces(files.len() as u8, TEST.0, TEST.1, &mut test)?;
    let labels = (0..files.len()).flat_map(|label| vec![label as u8; of_each]).collect();
    let train = Split::stored(train, labels, SIDE * SIDE * 3);
    let test = Split::stored(test, vec![files.len() as u8; TEST.1], SIDE * SIDE * 3);
    Dataset::divide(name.into(), [SIDE, SIDE, 3], train, Some(test), o)
}

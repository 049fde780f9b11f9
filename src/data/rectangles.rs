//! Outlines of white rectangles on black, labelled by whether they are taller (1) or wider (0): the set `rect` of Larochelle
//! et al. 2007, made anew, with as many examples as there: 12,000 for training, 50,000 for testing.

use super::dataset::{Dataset, Options, Split};
use crate::values::{Philox, Result, stream};

const SIDE: usize = 28;
const TRAIN: usize = 12_000;
const TEST: usize = 50_000;
/// The shortest side, and the least by which the sides differ, in pixels.
const LEAST: u32 = 3;

/// Draw `attempt` of example `i`: (top, left, height, width), uniform over all rectangles, or none where it is not one that
/// is wanted.
fn rectangle(rng: &Philox, i: usize, attempt: u32) -> Option<[usize; 4]> {
    let side = SIDE as u32;
    let corners = rng.block(i as u32 * 64 + attempt).map(|w| ((u64::from(w) * u64::from(side)) >> 32) as u32);
    let [top, bottom, left, right] = corners;
    let (h, w) = (bottom.checked_sub(top)? + 1, right.checked_sub(left)? + 1);
    let wanted = h >= LEAST && w >= LEAST && h.abs_diff(w) >= LEAST;
    wanted.then_some([top, left, h, w].map(|v| v as usize))
}

fn split(part: &str, n: usize) -> Split {
    let rng = Philox::new(0, stream("data.rectangles", usize::from(part == "test")), 0);
    let (mut bytes, mut labels) = (vec![0; n * SIDE * SIDE], Vec::with_capacity(n));
    for (i, image) in bytes.chunks_exact_mut(SIDE * SIDE).enumerate() {
        // One draw in five is wanted: 64 of them fail once in a million examples, and then it is a fixed one.
        let [top, left, h, w] = (0..64).find_map(|attempt| rectangle(&rng, i, attempt)).unwrap_or([4, 8, 20, 12]);
        for y in 0..h {
            for x in 0..w {
                if y == 0 || x == 0 || y == h - 1 || x == w - 1 {
                    image[(top + y) * SIDE + left + x] = u8::MAX;
                }
            }
        }
        labels.push(u8::from(h > w));
    }
    Split::stored(bytes, labels, SIDE * SIDE)
}

/// The set by name.
pub fn load(name: &str, o: &Options) -> Result<Dataset> {
    Dataset::divide(name.into(), [SIDE, SIDE, 1], split("train", TRAIN), Some(split("test", TEST)), o)
}

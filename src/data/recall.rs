//! Oscillators whose last frequency is told by their first two, long before (Gregor et al. 2019, §5.2): what a belief must keep.
//!
//! Of the intervals \[0, 10), \[10, 20), \[20, 120) and \[120, 140) each has a frequency of its own: f1, f2 and f3 are drawn,
//! and f4 is one of two, by whether f1 > f2, which is the label. All else is as in [`super::oscillator`].

use super::dataset::{Dataset, Options, Sequence, Split, Stored};
use super::oscillator::{Draws, FREQUENCY, TEST, TRAIN, oscillate};
use crate::values::Result;
use std::f64::consts::TAU;

/// The name of the set.
pub const NAME: &str = "oscillator-recall";
/// Frames of a sequence.
pub const FRAMES: usize = 140;
/// The first frame of the last interval.
pub const LAST: usize = 120;

/// The frequencies of the last interval, radians a step: where f1 <= f2, and where f1 > f2.
const RECALLED: [f64; 2] = [TAU / 40.0, TAU / 15.0];

/// The observations of sequence `i` of a part, and whether f1 > f2.
fn sequence(part: &str, i: usize) -> (Vec<f32>, bool) {
    let mut draws = Draws::of(&format!("data.{NAME}.{part}"), i);
    let [f1, f2, f3] = [(); 3].map(|()| draws.within(FREQUENCY));
    let frequency = |t: usize| match t {
        0..10 => f1,
        10..20 => f2,
        20..LAST => f3,
        _ => RECALLED[usize::from(f1 > f2)],
    };
    (oscillate(&mut draws, FRAMES, frequency).0, f1 > f2)
}

fn split(n: usize, part: &str) -> Split {
    let all: Vec<(Vec<f32>, bool)> = (0..n).map(|i| sequence(part, i)).collect();
    let labels = all.iter().map(|s| s.1.into()).collect();
    Split::stored(all.iter().flat_map(|s| &s.0).flat_map(|x| x.to_le_bytes()).collect(), labels, 4 * FRAMES)
}

/// The set.
pub(super) fn load(name: &str, o: &Options) -> Result<Dataset> {
    let sequence = Some(Sequence { frames: FRAMES, stored: Stored::Reals });
    let divided = Dataset::divide(name.into(), [1, 1, 1], split(TRAIN, "train"), Some(split(TEST, "test")), o)?;
    Ok(Dataset { sequence, ..divided })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::oscillator::fit;

    /// The last interval has the frequency that the first two ask for, and either comes as often.
    #[test]
    fn the_last_frequency_is_the_one_that_the_first_two_ask_for() {
        let mut greater = 0;
        for i in 0..200 {
            let (x, first_is_greater) = sequence("test", i);
            let last: Vec<f64> = x[LAST..].iter().map(|&x| x.into()).collect();
            let apart = RECALLED.map(|f| (fit(&last).frequency / f).ln().abs());
            let nearer = usize::from(apart[1] < apart[0]);
            greater += usize::from(first_is_greater);
            assert_eq!(nearer, usize::from(first_is_greater), "{i}: {apart:?}");
        }
        assert!((80..=120).contains(&greater), "{greater} of 200");
    }
}

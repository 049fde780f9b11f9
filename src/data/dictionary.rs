//! Examples of a known dictionary, by which sparse coding can be judged: x = ½ + s·Σₖ cₖ dₖ over k atoms.
//!
//! The D atoms are unit vectors, uniform on the sphere. An example has k of them, any k alike, with coefficients c uniform in
//! [½, 1]. What is made is bytes, x between 0 and 1 clamped and rounded: s leaves the clamp to one number in some thousands,
//! and rounding is 1/70 of the standard deviation of x. A model's bias takes the ½.

use super::dataset::{Dataset, Options, Split};
use crate::values::{Philox, Result, stream};

/// Numbers an example: 8 × 8.
pub const FEATURES: usize = 64;
/// Atoms, as many as numbers, no two of them orthogonal.
pub const ATOMS: usize = 64;
/// Atoms of an example.
pub const ACTIVE: usize = 3;
/// s.
const SCALE: f64 = 0.5;
const SIDE: usize = 8;
const TRAIN: usize = 20_000;
const TEST: usize = 2_000;
/// Of the set by name: a run's seed decides nothing of what it is measured on.
const SEED: u64 = 0;

/// D unit atoms of \[features\], one after the other; a function of the seed.
pub fn atoms(seed: u64) -> Vec<f64> {
    let rng = Philox::new(seed, stream("data.dictionary.atoms", 0), 0);
    let normal = |i: usize| {
        let [radius, turn] = [0, 1].map(|j| rng.unit(2 * i as u64 + j));
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
    };
    let mut all: Vec<f64> = (0..ATOMS * FEATURES).map(normal).collect();
    for atom in all.chunks_mut(FEATURES) {
        let norm = atom.iter().map(|v| v * v).sum::<f64>().sqrt();
        atom.iter_mut().for_each(|v| *v /= norm);
    }
    all
}

/// Examples `from .. from + n` of a dictionary, as bytes.
fn examples(seed: u64, atoms: &[f64], from: usize, n: usize) -> Split {
    let rng = Philox::new(seed, stream("data.dictionary.codes", 0), 0);
    let mut bytes = Vec::with_capacity(n * FEATURES);
    for example in from..from + n {
        let mut x = [0.5; FEATURES];
        let mut free: Vec<usize> = (0..ATOMS).collect();
        for k in 0..ACTIVE {
            // A block a term: the choice among the atoms that are left, and the coefficient.
            let words = rng.block((example * ACTIVE + k) as u32);
            let atom = free.swap_remove(((u64::from(words[0]) * free.len() as u64) >> 32) as usize);
            let c = 0.5 + 0.5 * crate::values::unit(words[1]);
            x.iter_mut().zip(&atoms[atom * FEATURES..]).for_each(|(x, d)| *x += SCALE * c * d);
        }
        bytes.extend(x.map(|x| (255.0 * x.clamp(0.0, 1.0)).round() as u8));
    }
    Split::stored(bytes, vec![], FEATURES)
}

/// The set by name.
pub fn load(name: &str, o: &Options) -> Result<Dataset> {
    let atoms = atoms(SEED);
    let [train, test] = [(0, TRAIN), (TRAIN, TEST)].map(|(from, n)| examples(SEED, &atoms, from, n));
    Dataset::divide(name.into(), [SIDE, SIDE, 1], train, Some(test), o)
}

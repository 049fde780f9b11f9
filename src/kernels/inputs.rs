//! Inputs for cases: reproducible values that sit where kernels go wrong.

use crate::values::{Philox, stream};

/// Below the smallest normal number (1.18e-38): a device may take it for 0, and must not take it for more.
pub const SUBNORMAL: f32 = 1e-39;

/// What kind of values a case needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values {
    /// Normal-sized values of both signs with exact zeros, ties, a few of ±`extreme` and of ±[`SUBNORMAL`] strewn in.
    Straddling {
        /// The largest magnitude strewn in (1000 where the function is defined and finite there).
        extreme: f32,
    },
    /// The same without subnormals: for what jumps at 0, where a device that takes them for 0 stands on the other side.
    Jumping {
        /// As above.
        extreme: f32,
    },
    /// −3 … 3, so that every partial sum of fewer than 2²² of them is exact in f32, in any order.
    Integers,
    /// (0, 1).
    Unit,
    /// Above 0.01, up to some 4.
    Positive,
}

/// `n` values, a function of (kind, n, salt) alone.
pub fn values(kind: Values, n: usize, salt: u32) -> Vec<f32> {
    let rng = Philox::new(0xE1B0, stream("case", n), salt);
    let at = |i: usize| rng.unit(i as u64) as f32;
    let one = |i: usize| -> f32 {
        let u = at(i);
        match kind {
            Values::Integers => (u * 7.0).floor().min(6.0) - 3.0,
            Values::Unit => u,
            Values::Positive => 0.01 + 4.0 * u * u,
            Values::Straddling { .. } if i % 46 == 13 => SUBNORMAL,
            Values::Straddling { .. } if i % 46 == 36 => -SUBNORMAL,
            Values::Straddling { extreme } | Values::Jumping { extreme } => match i % 23 {
                3 => 0.0,
                7 => 1.0,
                11 => -1.0,
                17 if i % 46 == 17 => extreme,
                17 => -extreme,
                _ => 4.0 * (u - 0.5),
            },
        }
    };
    (0..n).map(one).collect()
}

/// `n` random words.
pub fn words(n: usize, salt: u32) -> Vec<u32> {
    let rng = Philox::new(0xE1B0, stream("case words", n), salt);
    (0..n).map(|i| rng.word(i as u64)).collect()
}

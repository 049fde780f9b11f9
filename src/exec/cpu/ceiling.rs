//! What the cpu can do at best: fused multiply-adds in registers on all cores, and a copy through memory. No kernel is
//! this; `elbo bench` holds the cpu's kernels to it.

use crate::values::{Error, Result};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::Instant;

/// Independent chains of a core: latency times throughput of a core with two units of latency four, and a reserve; they fit
/// into 16 registers.
const CHAINS: usize = 12;

/// The most rounds of a run: every number stays exact at f32.
pub const MAX_ROUNDS: u64 = 1 << 23;

/// `rounds` of v ← a·v + b in [`CHAINS`] vectors.
struct Rounds {
    rounds: u64,
    a: f32,
    b: f32,
}

impl WithSimd for Rounds {
    /// The sum over all chains and lanes of v − rounds, and the lanes.
    type Output = (f32, usize);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f32, usize) {
        let (a, b) = (simd.splat_f32s(self.a), simd.splat_f32s(self.b));
        let mut v: [S::f32s; CHAINS] = std::array::from_fn(|c| simd.splat_f32s(c as f32));
        for _ in 0..self.rounds {
            for v in &mut v {
                *v = simd.mul_add_f32s(*v, a, b);
            }
        }
        let all = simd.splat_f32s(self.rounds as f32);
        let sum = v.into_iter().map(|v| simd.reduce_sum_f32s(simd.sub_f32s(v, all))).sum();
        (sum, S::F32_LANES)
    }
}

/// Runs `rounds`, at most [`MAX_ROUNDS`], of fused multiply-adds on every thread of the pool at once: (floating-point
/// operations, seconds). v ← 1·v + 1, so that what comes of it is known; anything else is a failure.
pub fn fma(rounds: u64) -> Result<(u64, f64)> {
    let rounds = rounds.min(MAX_ROUNDS);
    let start = Instant::now();
    let sums = rayon::broadcast(|_| {
        let job = Rounds { rounds: black_box(rounds), a: black_box(1.0), b: black_box(1.0) };
        black_box(Arch::new().dispatch(job))
    });
    let seconds = start.elapsed().as_secs_f64();
    let mut flops = 0;
    for (sum, lanes) in sums {
        let want = (lanes * CHAINS * (CHAINS - 1) / 2) as f32;
        if sum != want {
            return Err(Error::failure(format!("the cpu's multiply-adds came to {sum}, not to {want}")));
        }
        flops += 2 * rounds * (lanes * CHAINS) as u64;
    }
    Ok((flops, seconds))
}

/// Copies x to y over all threads: seconds.
pub fn copy(x: &[f32], y: &mut [f32]) -> f64 {
    const PART: usize = 1 << 16;
    let start = Instant::now();
    y.par_chunks_mut(PART).zip(x.par_chunks(PART)).for_each(|(y, x)| y.copy_from_slice(x));
    start.elapsed().as_secs_f64()
}

//! binary16 and f32 by the host's own instructions, on all cores. The bits are those of the kernel `half`.

use crate::kernels::half::{SMALLEST, half_of};
use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

/// Words that one task converts.
const RUN: usize = 1 << 13;

/// What stands in words as binary16, at f32.
pub fn widen(words: &[u32], x: &mut Vec<f32>) {
    x.resize(2 * words.len(), 0.0);
    let both = words.par_chunks(RUN).zip(x.par_chunks_mut(2 * RUN));
    both.for_each(|(words, x)| bytemuck::cast_slice::<u32, f16>(words).convert_to_f32_slice(x));
}

/// The same back.
pub fn narrow(x: &[f32], words: &mut [u32]) {
    let both = words.par_chunks_mut(RUN).zip(x.par_chunks(2 * RUN));
    both.for_each(|(words, x)| {
        // Of an odd number of numbers the last word's second half is 0.
        let (to, none) = bytemuck::cast_slice_mut::<u32, f16>(words).split_at_mut(x.len());
        none.fill(f16::ZERO);
        to.convert_from_f32_slice(x);
        // Neither subnormals nor the payload of a NaN are kept.
        for (to, &x) in to.iter_mut().zip(x) {
            if x.abs() < SMALLEST as f32 || x.is_nan() {
                *to = f16::from_bits(half_of(x.into()));
            }
        }
    });
}

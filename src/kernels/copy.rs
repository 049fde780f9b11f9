//! y_i = x\[offset + Σ c_k s_k\] where every lo_k ≤ c_k < hi_k, else 0: slice, permute, broadcast, flip, pad. Twin of
//! shaders/copy.wgsl.

use super::{Case, Consts, In, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

/// The most dimensions that one copy has.
pub const MAX_DIMS: usize = 5;

params! {
    /// Uniform of shaders/copy.wgsl.
    CopyParams {
        /// Elements of y, the product of the extents.
        n: u32,
        /// Extent of dimension 0 of y.
        d0: u32,
        /// Extent of dimension 1.
        d1: u32,
        /// Extent of dimension 2.
        d2: u32,
        /// Extent of dimension 3.
        d3: u32,
        /// Extent of dimension 4, the contiguous one.
        d4: u32,
        /// Stride in x, in elements modulo 2³², of dimension 0 of y.
        s0: u32,
        /// Stride of dimension 1.
        s1: u32,
        /// Stride of dimension 2.
        s2: u32,
        /// Stride of dimension 3.
        s3: u32,
        /// Stride of dimension 4.
        s4: u32,
        /// The place in x, modulo 2³², of coordinates 0, which may be outside.
        offset: u32,
        /// First coordinate of dimension 0 that x has.
        lo0: u32,
        /// First coordinate of dimension 1.
        lo1: u32,
        /// First coordinate of dimension 2.
        lo2: u32,
        /// First coordinate of dimension 3.
        lo3: u32,
        /// First coordinate of dimension 4.
        lo4: u32,
        /// End of the coordinates of dimension 0 that x has.
        hi0: u32,
        /// End of dimension 1.
        hi1: u32,
        /// End of dimension 2.
        hi2: u32,
        /// End of dimension 3.
        hi3: u32,
        /// End of dimension 4.
        hi4: u32,
    }
}

/// The words of [`CopyParams`], by groups.
type Words = [u32; 2 + 4 * MAX_DIMS];
const DIMS: usize = 1;
const STRIDES: usize = DIMS + MAX_DIMS;
const OFFSET: usize = STRIDES + MAX_DIMS;
const LO: usize = OFFSET + 1;
const HI: usize = LO + MAX_DIMS;

impl CopyParams {
    /// The copy into extents `dims`, with for each dimension its stride in the source and the coordinates `lo..hi`
    /// that the source has; fewer than five dimensions are led by 1s.
    #[track_caller]
    pub fn new(dims: &[usize], strides: &[i64], offset: i64, lo: &[usize], hi: &[usize]) -> Self {
        let rank = dims.len();
        assert!(rank <= MAX_DIMS && [strides.len(), lo.len(), hi.len()] == [rank; 3], "a copy of {dims:?}");
        let mut w: Words = [0; _];
        w[DIMS..STRIDES].fill(1);
        w[HI..].fill(1);
        for k in 0..rank {
            let at = MAX_DIMS - rank + k;
            w[DIMS + at] = dims[k] as u32;
            // Truncation is reduction modulo 2³², as is meant.
            w[STRIDES + at] = strides[k] as u32;
            w[LO + at] = lo[k] as u32;
            w[HI + at] = hi[k] as u32;
        }
        w[0] = dims.iter().product::<usize>() as u32;
        w[OFFSET] = offset as u32;
        bytemuck::cast(w)
    }
}

/// See the module.
pub struct Copy;

impl Twin for Copy {
    const NAME: &'static str = "copy";
    const WGSL: &'static str = include_str!("../../shaders/copy.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = CopyParams;

    fn work(c: &Consts, p: &CopyParams) -> Work {
        Work::elementwise(p.n as usize, c[0], 0)
    }

    fn reads(_: &Consts, p: &CopyParams) -> Vec<usize> {
        let w: Words = bytemuck::cast(*p);
        // The largest place of a coordinate that x has.
        let mut last = i64::from(w[OFFSET] as i32);
        for k in 0..MAX_DIMS {
            let (lo, hi, stride) = (w[LO + k], w[HI + k].min(w[DIMS + k]), i64::from(w[STRIDES + k] as i32));
            if lo >= hi {
                return vec![0];
            }
            last += stride * i64::from(if stride > 0 { hi - 1 } else { lo });
        }
        vec![usize::try_from(last + 1).unwrap_or(0)]
    }

    fn describe(_: &Consts, p: &CopyParams) -> String {
        let w: Words = bytemuck::cast(*p);
        let dims: Vec<String> = w[DIMS..STRIDES].iter().skip_while(|&&d| d == 1).map(u32::to_string).collect();
        format!("[{}]", dims.join(","))
    }

    #[inline(always)]
    fn run<R: Real>(_: &Consts, p: &CopyParams, _: &StepRow, ins: &[In<R>], outs: &mut [Out<R>], items: Range<usize>) {
        let (x, mut y) = (ins[0].f(), outs[0].f());
        let w: Words = bytemuck::cast(*p);
        let (dims, strides) = (&w[DIMS..STRIDES], &w[STRIDES..OFFSET]);
        let last = MAX_DIMS - 1;
        let row = dims[last] as usize;
        let mut at = items.start;
        // Row by row of the last dimension; the first and the last may be cut.
        while !y.is_empty() {
            let n = y.len().min(row - at % row);
            let (part, rest) = y.split_at_mut(n);
            let (mut place, mut inside, mut left) = (w[OFFSET], true, (at / row) as u32);
            for k in (0..last).rev() {
                let c = left % dims[k];
                left /= dims[k];
                inside &= c >= w[LO + k] && c < w[HI + k];
                place = place.wrapping_add(c.wrapping_mul(strides[k]));
            }
            // The part of these columns that x has.
            let first = at % row;
            let lo = (w[LO + last] as usize).clamp(first, first + n);
            let hi = if inside { (w[HI + last] as usize).clamp(lo, first + n) } else { lo };
            part[..lo - first].fill(R::zero());
            part[hi - first..].fill(R::zero());
            let part = &mut part[lo - first..hi - first];
            let source = |c: usize| place.wrapping_add((c as u32).wrapping_mul(strides[last])) as usize;
            match strides[last] {
                _ if part.is_empty() => {}
                1 => part.copy_from_slice(&x[source(lo)..][..hi - lo]),
                0 => part.fill(x[source(lo)]),
                _ => part.iter_mut().zip(lo..hi).for_each(|(y, c)| *y = x[source(c)]),
            }
            (y, at) = (rest, at + n);
        }
    }

    fn cases() -> Vec<Case> {
        let case = |what: &str, from: usize, wg: u32, p: CopyParams| {
            let x = values(Values::Straddling { extreme: 1000.0 }, from, p.n);
            Case::new(what, &[wg], p, vec![x.into()], &[p.n as usize]).exact()
        };
        let mut cases = Vec::new();
        for n in [1, 63, 64, 65, 997] {
            cases.push(case(&format!("whole n={n}"), n, 64, CopyParams::new(&[n], &[1], 0, &[0], &[n])));
        }
        // Past the fold of the grid, at the smallest workgroup.
        let n = 65_535 + 2;
        cases.extend([
            case("transposed", 13 * 31, 64, CopyParams::new(&[31, 13], &[1, 31], 0, &[0, 0], &[31, 13])),
            case(
                "5 dimensions, permuted",
                2 * 3 * 5 * 7 * 3,
                64,
                CopyParams::new(&[7, 2, 3, 3, 5], &[3, 315, 1, 105, 21], 0, &[0; 5], &[7, 2, 3, 3, 5]),
            )
            .again(),
            case("slice", 10 * 20, 64, CopyParams::new(&[4, 9], &[20, 1], 3 * 20 + 7, &[0, 0], &[4, 9])),
            case("slice, every second", 10 * 20, 64, CopyParams::new(&[5, 7], &[40, 3], 0, &[0, 0], &[5, 7])),
            case("flipped", 6 * 11, 64, CopyParams::new(&[6, 11], &[-11, -1], 65, &[0, 0], &[6, 11])),
            case("broadcast rows", 19, 64, CopyParams::new(&[5, 19], &[0, 1], 0, &[0, 0], &[5, 19])),
            case("broadcast columns", 19, 64, CopyParams::new(&[19, 5], &[1, 0], 0, &[0, 0], &[19, 5])),
            case("broadcast scalar", 1, 64, CopyParams::new(&[3, 67], &[0, 0], 0, &[0, 0], &[3, 67])),
            case("padded", 2 * 4 * 5, 64, CopyParams::new(&[2, 7, 9], &[20, 5, 1], -8, &[0, 1, 3], &[2, 5, 8])),
            case("padded outside dimension 0", 3, 64, CopyParams::new(&[4, 3], &[3, 1], -6, &[2, 0], &[3, 3])),
            case("cropped by its bounds", 40, 64, CopyParams::new(&[5, 8], &[8, 1], 0, &[1, 2], &[4, 7])),
            case("nothing inside", 1, 64, CopyParams::new(&[70], &[1], 0, &[70], &[70])),
            case("folded grid", n, 1, CopyParams::new(&[n], &[-1], n as i64 - 1, &[1], &[n - 1])),
        ]);
        cases
    }

    fn timed() -> Vec<Case> {
        let case = |what: &str, p: CopyParams| {
            let x = values(Values::Unit, p.n as usize, 1);
            Case::new(what, &[64], p, vec![x.into()], &[p.n as usize]).exact()
        };
        let (n, d) = (1 << 20, 1024);
        let transposed = CopyParams::new(&[d, d], &[1, d as i64], 0, &[0, 0], &[d, d]);
        vec![
            case("whole [1048576]", CopyParams::new(&[n], &[1], 0, &[0], &[n])),
            case("transposed [1024,1024]", transposed),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Call;
    use crate::kernels::{Params, kernel};

    fn copy(x: &[f32], p: CopyParams) -> Vec<f32> {
        let mut y = vec![f32::NAN; p.n as usize];
        let call = Call { consts: vec![64], params: p.words() };
        let n = y.len();
        kernel("copy").run_f32(&call, &StepRow::new(0, 0, 0, 0), &[In::F(x)], &mut [Out::F(&mut y)], 0..n);
        y
    }

    #[test]
    fn known_answers() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let whole = |dims: &[usize], strides, offset| CopyParams::new(dims, strides, offset, &[0, 0], dims);
        assert_eq!(copy(&x, whole(&[3, 2], &[1, 3], 0)), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(copy(&x, whole(&[2, 3], &[-3, -1], 5)), [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
        assert_eq!(copy(&x, whole(&[2, 2], &[0, 1], 1)), [2.0, 3.0, 2.0, 3.0]);
        let padded = CopyParams::new(&[3, 4], &[3, 1], -4, &[1, 1], &[3, 4]);
        assert_eq!(copy(&x, padded), [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0]);
    }
}

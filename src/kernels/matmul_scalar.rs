//! y\[b\] = act(op(A\[b\]) · op(B\[b\]) + bias + c\[b\]) · slope′(h\[b\]), y: \[m, n\], any sizes, all four forms. Twin of
//! shaders/matmul_scalar.wgsl; all but the file is shared with [`matmul_vec4`](super::matmul_vec4).

use super::matmul_vec4::{Form, MatmulParams, Tile, cases, product, reads, twin, work};
use super::{Case, Consts, In, Out, StepRow, Twin, Work};
use crate::values::Real;
use std::ops::Range;

/// 8 rows, and twice 4 columns, `WGX` apart: a tile of the size of matmul_vec4's is 1.5 times as fast on llvmpipe, but
/// takes it some 9 s a pipeline to compile, this one a tenth of a second.
pub const TILE: Tile = (8, 8);

/// See the module.
pub struct MatmulScalar;

impl Twin for MatmulScalar {
    const NAME: &'static str = "matmul_scalar";
    const WGSL: &'static str = include_str!("../../shaders/matmul_scalar.wgsl");
    const OVERRIDES: &'static [&'static str] = Form::OVERRIDES;
    type Params = MatmulParams;

    fn work(c: &Consts, p: &MatmulParams) -> Work {
        work(TILE, c, p)
    }

    fn reads(c: &Consts, p: &MatmulParams) -> Vec<usize> {
        reads(c, p)
    }

    fn describe(c: &Consts, _: &MatmulParams) -> String {
        Form::of(c).describe()
    }

    #[inline(always)]
    fn run<R: Real>(
        c: &Consts,
        p: &MatmulParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        twin(c, p, ins, outs, items);
    }

    fn cases() -> Vec<Case> {
        cases(|_, _, _, _, _| true)
    }

    fn timed() -> Vec<Case> {
        // What the other kernel cannot do: extents that are odd, and TT.
        vec![
            product(TILE, (false, false), [511, 511, 511]),
            product(TILE, (false, true), [128, 401, 785]),
            product(TILE, (true, false), [785, 401, 128]),
            product(TILE, (true, true), [512, 512, 512]),
        ]
    }
}

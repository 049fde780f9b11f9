//! y\[b\] = act(op(A\[b\]) · op(B\[b\]) + bias + c\[b\]) · slope′(h\[b\]), y: \[m, n\], four columns at a time, by invocations
//! that tell each other what they read. Twin of shaders/matmul_subgroup.wgsl; all but the file is shared with
//! [`matmul_vec4`](super::matmul_vec4), in whose place an executor may run it: no plan names it.

use super::kernel::typed;
use super::matmul_vec4::{FORM, Form, MatmulParams, Tile, cases as all_cases, fits, product, reads, twin, work};
use super::{Case, Consts, In, Out, StepRow, Twin, Work};
use crate::values::Real;
use std::ops::Range;

/// The tile of a workgroup: 32 rows, and 20 columns of each of its 8 invocations.
pub const TILE: Tile = (32, 160);

/// Whether its tiles suit n columns: where less than half of a tile's would be of use, those of matmul_vec4 are better. (Where
/// there are few rows a product is soon done, and one more pipeline takes longer to compile.)
pub fn suits(n: u32) -> bool {
    n >= TILE.1 / 2
}

/// See the module.
pub struct MatmulSubgroup;

impl Twin for MatmulSubgroup {
    const NAME: &'static str = "matmul_subgroup";
    const WGSL: &'static str = include_str!("../../shaders/matmul_subgroup.wgsl");
    const OVERRIDES: &'static [&'static str] = Form::OVERRIDES.split_at(FORM).0;
    type Params = MatmulParams;

    fn work(c: &Consts, p: &MatmulParams) -> Work {
        // As of a workgroup of one invocation that computes a whole tile, but that eight share its columns.
        let whole = [c, &[1, 1]].concat();
        let each = u64::from(TILE.0 * TILE.1 / 8);
        Work { loop_bound: u64::from(p.k.div_ceil(4)) + each, ..work(TILE, &whole, p) }
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
        let few = |c: &Case| typed::<MatmulParams>(&c.call).batch < 1 << 16;
        let mut cases: Vec<Case> = all_cases(fits).into_iter().filter(few).map(formed).collect();
        // A tile and one vec4 more and less of each extent, in every form.
        for (ta, tb) in [(false, false), (false, true), (true, false)] {
            for (m, n) in [(28, 156), (32, 160), (36, 164), (64, 320)] {
                let case = super::matmul_vec4::case(Form::product(ta, tb), (m, n, 12, 2), super::Values::Integers);
                cases.push(formed(case));
            }
        }
        cases
    }

    fn timed() -> Vec<Case> {
        const NT: (bool, bool) = (false, true);
        const NN: (bool, bool) = (false, false);
        const TN: (bool, bool) = (true, false);
        let products = [
            (NN, [512, 512, 512]),
            (NN, [1024, 1024, 1024]),
            (NT, [1024, 1024, 1024]),
            (TN, [1024, 1024, 1024]),
            // The large ones of a VAE's step, 784-400-(20)-400-784 with batch 128.
            (NT, [128, 400, 784]),
            (NT, [128, 784, 400]),
            (NN, [128, 400, 784]),
            (TN, [784, 400, 128]),
            (TN, [400, 784, 128]),
        ];
        products.map(|(form, shape)| formed(product(TILE, form, shape))).into()
    }
}

/// A case of the other kernels without its workgroup.
fn formed(mut case: Case) -> Case {
    case.call.consts.truncate(FORM);
    Case { again: false, ..case }
}

#[cfg(test)]
mod tests {
    #[test]
    fn narrow_products_are_left_to_other_tiles() {
        assert!(super::suits(400) && super::suits(80));
        assert!(!super::suits(20) && !super::suits(79));
    }
}

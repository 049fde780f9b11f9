//! y\[b\] = act(op(A\[b\]) · op(B\[b\]) + bias + c\[b\]) · slope′(h\[b\]), y: \[m, n\], any sizes, all four forms, by tiles in the
//! memory of a workgroup. Twin of shaders/matmul_tiled.wgsl; all but the file is shared with
//! [`matmul_vec4`](super::matmul_vec4), in whose place an executor may run it: no plan names it.

use super::kernel::typed;
use super::matmul_vec4::{Form, MatmulParams, cases_of, product, reads, twin, work};
use super::{Case, Consts, In, Out, StepRow, Twin, Work};
use crate::values::Real;
use std::ops::Range;

/// Overrides of a form without its workgroup, which is 16 × 16.
pub const FORM: usize = 6;
/// k at a time.
const DEPTH: u64 = 16;

/// See the module.
pub struct MatmulTiled;

impl Twin for MatmulTiled {
    const NAME: &'static str = "matmul_tiled";
    const WGSL: &'static str = include_str!("../../shaders/matmul_tiled.wgsl");
    const OVERRIDES: &'static [&'static str] = Form::OVERRIDES.split_at(FORM).0;
    type Params = MatmulParams;

    fn work(c: &Consts, p: &MatmulParams) -> Work {
        // Of an invocation 4 × 4. Each round over k loads 4 numbers of both, and multiplies 4 times 4.
        let loop_bound = u64::from(p.k).div_ceil(DEPTH) * (1 + 4 + DEPTH / 4) + 4 + 16;
        Work { loop_bound, ..work((4, 4), c, p) }
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
        // Its loops end sooner at the bound than those of the others. More groups than a dimension of the grid holds would be 17
        // million invocations here, which take software adapters a minute: `flat_group` is proven by the others.
        let few = |c: &Case| MatmulTiled::work(&c.call.consts[..FORM], &typed(&c.call)).workgroups < 1 << 16;
        cases_of(|_, _, _, _, _| true, 50_001).into_iter().filter(few).map(tiled).collect()
    }

    fn timed() -> Vec<Case> {
        let one = |form, shape| tiled(product((4, 4), form, shape));
        vec![
            one((false, false), [512, 512, 512]),
            one((false, true), [1024, 1024, 1024]),
            one((false, true), [128, 400, 784]),
            one((true, false), [784, 400, 128]),
        ]
    }
}

/// A case of the other kernels, without the workgroup that it does not choose.
fn tiled(mut case: Case) -> Case {
    case.call.consts.truncate(FORM);
    Case { again: false, ..case }
}

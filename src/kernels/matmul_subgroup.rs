//! y\[b\] = act(op(A\[b\]) · op(B\[b\]) + bias + c\[b\]) · slope′(h\[b\]), y: \[m, n\], four columns at a time, by invocations
//! that tell each other what they read. Twin of shaders/matmul_subgroup.wgsl; all but the file is shared with
//! [`matmul_vec4`](super::matmul_vec4), in whose place an executor may run it: no plan names it.

use super::matmul_vec4::{FORM, Form, MatmulParams, Tile, cases as all_cases, fits, product, reads, twin, work};
use super::{Call, Case, Consts, In, Out, StepRow, Twin, Work, params};
use crate::values::Real;
use std::ops::Range;

params! {
    /// Uniform of shaders/matmul_subgroup.wgsl: that of the other kernels, and what are overrides there.
    SubgroupParams {
        /// Rows of y and of op(A).
        m: u32,
        /// Columns of y and of op(B).
        n: u32,
        /// Columns of op(A), rows of op(B).
        k: u32,
        /// Independent products.
        batch: u32,
        /// Whether there is a bias.
        bias: u32,
        /// What is applied to the sums.
        act: u32,
        /// Whether there is a c.
        add: u32,
        /// By whose slope at h the result is multiplied.
        slope: u32,
    }
}

impl SubgroupParams {
    fn product(&self) -> MatmulParams {
        MatmulParams { m: self.m, n: self.n, k: self.k, batch: self.batch }
    }

    /// The overrides of the other kernels, of a workgroup of one invocation.
    fn form(&self, c: &Consts) -> [u32; FORM + 2] {
        [c[0], c[1], self.bias, self.act, self.add, self.slope, 1, 1]
    }
}

/// The call that computes what `of`, one of matmul_vec4, does. What is done to the sums are overrides there, and here
/// parameters: a pipeline takes a software adapter a second to compile, and to ask what to do takes it next to nothing.
pub fn call(of: &Call) -> Call {
    let after = &of.consts[2..FORM];
    let any = u32::from(after.iter().any(|&v| v != 0));
    Call { consts: [&of.consts[..2], &[any]].concat(), params: [&of.params[..], after].concat() }
}

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
    const OVERRIDES: &'static [&'static str] = &["TA", "TB", "AFTER"];
    type Params = SubgroupParams;

    fn work(c: &Consts, p: &SubgroupParams) -> Work {
        // As of a workgroup of one invocation that computes a whole tile, but that eight share its columns.
        let each = u64::from(TILE.0 * TILE.1 / 8);
        Work { loop_bound: u64::from(p.k.div_ceil(4)) + each, ..work(TILE, &p.form(c), &p.product()) }
    }

    fn reads(c: &Consts, p: &SubgroupParams) -> Vec<usize> {
        reads(&p.form(c), &p.product())
    }

    fn describe(c: &Consts, p: &SubgroupParams) -> String {
        Form::of(&p.form(c)).describe()
    }

    #[inline(always)]
    fn run<R: Real>(
        c: &Consts,
        p: &SubgroupParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        twin(&p.form(c), &p.product(), ins, outs, items);
    }

    fn cases() -> Vec<Case> {
        let few = |c: &Case| c.call.params[3] < 1 << 16;
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

/// A case of matmul_vec4 as one of this kernel.
fn formed(case: Case) -> Case {
    Case { call: call(&case.call), again: false, ..case }
}

#[cfg(test)]
mod tests {
    #[test]
    fn narrow_products_are_left_to_other_tiles() {
        assert!(super::suits(400) && super::suits(80));
        assert!(!super::suits(20) && !super::suits(79));
    }
}

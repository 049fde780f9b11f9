//! dW = dYᵀ·X: \[m, n\] and db = Σ_k dY_k: \[m\] by invocations that tell each other what they read. Twin of
//! shaders/weight_grad_subgroup.wgsl; all but the file is shared with [`weight_grad`](super::weight_grad), in whose place an
//! executor may run it: no plan names it.

use super::matmul_subgroup::TILE;
use super::weight_grad::{WeightGrad, WeightGradParams};
use super::{Case, Consts, In, Out, StepRow, Twin, Work};
use crate::values::Real;
use std::ops::Range;

/// See the module.
pub struct WeightGradSubgroup;

impl Twin for WeightGradSubgroup {
    const NAME: &'static str = "weight_grad_subgroup";
    const WGSL: &'static str = include_str!("../../shaders/weight_grad_subgroup.wgsl");
    const OVERRIDES: &'static [&'static str] = &[];
    type Params = WeightGradParams;

    fn work(_: &Consts, p: &WeightGradParams) -> Work {
        let [m, n, k, s] = [p.m, p.n, p.k, p.s].map(u64::from);
        Work {
            workgroups: u64::from(p.m.div_ceil(TILE.0)) * u64::from(p.n.div_ceil(TILE.1)),
            // The product, its share of a column's sums, and of the gap.
            loop_bound: k.div_ceil(4) + (k + 1) + (s - m * n / 4).div_ceil(8),
            ..WeightGrad::work(&[1, 1], p)
        }
    }

    fn reads(c: &Consts, p: &WeightGradParams) -> Vec<usize> {
        WeightGrad::reads(c, p)
    }

    fn describe(c: &Consts, p: &WeightGradParams) -> String {
        WeightGrad::describe(c, p)
    }

    fn run<R: Real>(
        c: &Consts,
        p: &WeightGradParams,
        s: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        WeightGrad::run(c, p, s, ins, outs, items);
    }

    fn cases() -> Vec<Case> {
        WeightGrad::cases().into_iter().filter(|c| c.call.params[1] < 1 << 16).map(formed).collect()
    }

    fn timed() -> Vec<Case> {
        WeightGrad::timed().into_iter().map(formed).collect()
    }
}

/// A case of the other kernel without its workgroup.
fn formed(mut case: Case) -> Case {
    case.call.consts.clear();
    Case { again: false, ..case }
}

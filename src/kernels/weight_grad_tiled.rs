//! dW = dYᵀ·X: \[m, n\] and db = Σ_k dY_k: \[m\] by tiles in the memory of a workgroup. Twin of
//! shaders/weight_grad_tiled.wgsl; all but the file is shared with [`weight_grad`](super::weight_grad), in whose place an
//! executor may run it: no plan names it.

use super::matmul_tiled::{SIDES, loop_bound};
use super::weight_grad::{WeightGrad, WeightGradParams};
use super::{Case, Consts, In, Out, StepRow, Twin, Work};
use crate::values::Real;
use std::ops::Range;

/// See the module.
pub struct WeightGradTiled;

impl Twin for WeightGradTiled {
    const NAME: &'static str = "weight_grad_tiled";
    const WGSL: &'static str = include_str!("../../shaders/weight_grad_tiled.wgsl");
    const OVERRIDES: &'static [&'static str] = &["SIDE"];
    type Params = WeightGradParams;

    fn work(c: &Consts, p: &WeightGradParams) -> Work {
        let [m, n, s, tile] = [p.m, p.n, p.s, 4 * c[0]].map(u64::from);
        Work {
            // db is one column more.
            workgroups: m.div_ceil(tile) * (n / tile + 1),
            loop_bound: loop_bound(c[0], p.k) + (4 * s - m * n).div_ceil(256),
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
        // More groups than a dimension of the grid holds are left to the others, as in `matmul_tiled`.
        let all = WeightGrad::cases().into_iter().filter(|c| c.call.params[1] < 1 << 16);
        all.enumerate().map(|(turn, c)| tiled(SIDES[turn % SIDES.len()], c)).collect()
    }

    fn timed() -> Vec<Case> {
        let both = |c: Case| [8, 4].map(|s| tiled(s, c.clone()));
        WeightGrad::timed().into_iter().flat_map(both).collect()
    }
}

/// A case of the other kernel with a side in the place of its workgroup.
fn tiled(side: u32, mut case: Case) -> Case {
    case.call.consts = vec![side];
    case.name = format!("{} side {side}", case.name);
    Case { again: false, ..case }
}

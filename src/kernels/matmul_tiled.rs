//! y\[b\] = act(op(A\[b\]) · op(B\[b\]) + bias + c\[b\]) · slope′(h\[b\]), y: \[m, n\], any sizes, all four forms, by tiles in the
//! memory of a workgroup. Twin of shaders/matmul_tiled.wgsl; all but the file is shared with
//! [`matmul_vec4`](super::matmul_vec4), in whose place an executor may run it: no plan names it.

use super::matmul_vec4::{FORM, Form, MatmulParams, cases_of, product, reads, twin, work};
use super::{Case, Consts, In, Out, StepRow, Twin, Values, Work};
use crate::values::Real;
use std::ops::Range;

/// The values of `SIDE`: a quarter of a tile's extent. The invocations of a workgroup are (16 / side)² slices of side × side,
/// and the slices share the terms of a sum.
pub const SIDES: [u32; 4] = [16, 8, 4, 2];

/// Tiles, of which a GPU should have as many as it has units that run a workgroup each.
const ENOUGH: u64 = 128;

/// The side of the tiles of `batch` products of m × n over k: the largest of which there are enough. Of the smallest tiles a
/// number is read most often, so these are for long sums alone.
pub fn side(m: u32, n: u32, k: u32, batch: u32) -> u32 {
    let tiles = |s: u32| u64::from(batch) * u64::from(m.div_ceil(4 * s)) * u64::from(n.div_ceil(4 * s));
    let least = if k >= 2048 { 3 } else { 2 };
    SIDES[..least].iter().copied().find(|&s| tiles(s) >= ENOUGH).unwrap_or(SIDES[least])
}

/// The most loop iterations of an invocation: rounds over k of `side` terms a slice, then the sums of the slices.
pub fn loop_bound(side: u32, k: u32) -> u64 {
    let [side, k] = [side, k].map(u64::from);
    let slices = (16 / side).pow(2);
    k.div_ceil(256 / side) * (1 + side) + (4 * side * side).div_ceil(256) * (1 + slices)
}

/// See the module.
pub struct MatmulTiled;

impl Twin for MatmulTiled {
    const NAME: &'static str = "matmul_tiled";
    const WGSL: &'static str = include_str!("../../shaders/matmul_tiled.wgsl");
    const OVERRIDES: &'static [&'static str] = &["TA", "TB", "BIAS", "ACT", "ADD", "SLOPE", "SIDE"];
    type Params = MatmulParams;

    fn work(c: &Consts, p: &MatmulParams) -> Work {
        let side = c[FORM];
        // As of a workgroup of one invocation that computes a whole tile.
        let whole = [&c[..FORM], &[1, 1]].concat();
        Work { loop_bound: loop_bound(side, p.k), ..work((4 * side, 4 * side), &whole, p) }
    }

    fn reads(c: &Consts, p: &MatmulParams) -> Vec<usize> {
        reads(&c[..FORM], p)
    }

    fn describe(c: &Consts, _: &MatmulParams) -> String {
        Form::of(&c[..FORM]).describe()
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
        twin(&c[..FORM], p, ins, outs, items);
    }

    fn cases() -> Vec<Case> {
        // Its loops end sooner at the bound than those of the others. More groups than a dimension of the grid holds would be 17
        // million invocations here, which take software adapters a minute: `flat_group` is proven by the others.
        let few = |c: &Case| c.call.params[3] < 1 << 16;
        // One side a form, so that there is one pipeline for each: all sides, and all forms, with both of a form's epilogues.
        let side = |c: &Case| SIDES[(c.call.consts[0] * 2 + c.call.consts[1]) as usize];
        let mut cases: Vec<Case> =
            cases_of(|_, _, _, _, _| true, 30_001).into_iter().filter(few).map(|c| tiled(side(&c), c)).collect();
        // Each side for a form in which terms lie together and one in which they do not.
        for (form, shape) in [((false, true), (33, 84, 300, 3)), ((true, false), (68, 164, 300, 1))] {
            for s in SIDES {
                let case = super::matmul_vec4::case(Form::product(form.0, form.1), shape, Values::Integers);
                cases.push(tiled(s, case));
            }
        }
        cases
    }

    fn timed() -> Vec<Case> {
        const NT: (bool, bool) = (false, true);
        const NN: (bool, bool) = (false, false);
        const TN: (bool, bool) = (true, false);
        let shapes = [
            (NN, [512, 512, 512]),
            (NT, [1024, 1024, 1024]),
            // Of a VAE's step with batch 128.
            (NT, [128, 400, 784]),
            (NN, [128, 400, 784]),
            (NT, [128, 20, 400]),
            (TN, [784, 400, 128]),
            // Of the weights of a convolution.
            (TN, [64, 144, 12_544]),
        ];
        let sides = |(form, shape): ((bool, bool), [usize; 3])| SIDES.map(|s| tiled(s, product((4, 4), form, shape)));
        shapes.into_iter().flat_map(sides).collect()
    }
}

/// A case of the other kernels with a side in the place of its workgroup.
fn tiled(side: u32, mut case: Case) -> Case {
    case.call.consts.truncate(FORM);
    case.call.consts.push(side);
    case.name = match case.name.split_once(" wg ") {
        Some((before, after)) => {
            format!("{before} side {side}{}", if after.ends_with("integers") { " integers" } else { "" })
        }
        None => format!("{} side {side}", case.name),
    };
    Case { again: false, ..case }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_products_have_small_tiles() {
        assert_eq!(side(1024, 1024, 1024, 1), 16);
        assert_eq!(side(784, 400, 128, 1), 8);
        assert_eq!(side(128, 400, 784, 1), 4);
        assert_eq!(side(16, 144, 12_544, 1), 2);
        assert_eq!(side(16, 144, 12_544, 100), 16);
    }
}

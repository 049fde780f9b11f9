//! Products Aᵀ·B of many rows, as the weight gradients of convolutions are (a row an example and place): where some number
//! from 256 to 2,048 divides the rows, each run of as many is a product of its own, so that no invocation loops over all of
//! them, and a sum adds these up.

use super::rewrite::Ir;
use crate::graph::Op;

/// The most rows that one product sums.
const ROWS: usize = 4096;
/// The length of a run, at least and at most.
const RUN: (usize, usize) = (256, 2048);

/// The rows of a run of the product that a node is, where it is cut: a function of the shape alone. A whole number of runs
/// makes all rows.
pub(super) fn run(ir: &Ir, id: usize) -> Option<usize> {
    let n = &ir.nodes[id];
    let (Op::Matmul { ta: true, tb: false }, 2) = (&n.op, n.shape.rank()) else { return None };
    let rows = ir.nodes[n.args[0]].shape[0];
    (RUN.0..=RUN.1).rev().find(|&run| rows > ROWS && rows.is_multiple_of(run))
}

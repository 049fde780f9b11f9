//! Weight and bias of a dense layer: dW = dYᵀ·X and db = Σ dY read the same dY, and one dispatch makes both where the
//! bucket has them one behind the other.

use super::View;
use super::rewrite::Ir;
use crate::graph::{Op, PLACE};
use crate::kernels::matmul_vec4::fits;

/// dW and db.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub product: usize,
    pub sum: usize,
}

/// The pairs of live nodes that nothing but a pack reads (which is where `wanted` has their places). Sums of more than `terms` terms are left to `reduce`, which takes several passes.
pub(super) fn pairs(ir: &Ir, live: &[bool], wanted: &[Option<View>], terms: usize) -> Vec<Pair> {
    let placed = |id: usize| wanted[id].filter(|_| live[id]);
    let mut found = Vec::new();
    for product in 0..ir.nodes.len() {
        let n = &ir.nodes[product];
        let (Op::Matmul { ta: true, tb: false }, 2, Some(dw)) = (&n.op, n.shape.rank(), placed(product)) else {
            continue;
        };
        let dy = n.args[0];
        let batch = ir.nodes[dy].shape[0];
        if batch > terms || !fits(n.shape[0], n.shape[1], batch, true, false) {
            continue;
        }
        let sum = (0..ir.nodes.len()).find(|&sum| {
            let n = &ir.nodes[sum];
            let behind = placed(sum)
                .is_some_and(|db| db.buffer == dw.buffer && db.offset == (dw.offset + dw.len).next_multiple_of(PLACE));
            n.op == (Op::Sum { first: 0, count: 1, scale: 1.0 }) && n.args[0] == dy && behind
        });
        found.extend(sum.map(|sum| Pair { product, sum }));
    }
    found
}

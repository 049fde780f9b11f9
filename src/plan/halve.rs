//! Mixed precision (Micikevicius et al. 2018): what products read again and again stands in memory as binary16. These are the
//! weights, of which a step begins with a copy, and what a layer hands to nothing but other products; sums are formed in f32, and
//! gradients, weights and their moments stay f32. (Gradients are what would be too small for binary16: none is scaled.)

use super::group::{readers, source};
use super::rewrite::Ir;
use super::split;
use crate::graph::Op;
use crate::kernels::matmul_vec4::Act;

/// The scope of what only gradients need.
const BACKWARD: &str = "backward";

/// Which nodes stand in memory as binary16: what products make for products.
pub(super) fn halved(ir: &Ir) -> Vec<bool> {
    let (live, readers) = (ir.live(), readers(ir));
    let halved = |id: usize| {
        let n = &ir.nodes[id];
        live[id]
            && is_product(&n.op)
            && n.scope != BACKWARD
            && n.shape.last().is_multiple_of(2)
            && split::run(ir, id).is_none()
            && readers[id].iter().all(|reader| reader.is_some_and(|reader| operand_only(ir, reader, id)))
    };
    (0..ir.nodes.len()).map(halved).collect()
}

fn is_product(op: &Op) -> bool {
    matches!(op, Op::Matmul { .. } | Op::Linear { .. })
}

/// Whether a reader is a product that has this node for a factor or as what the slope is of, and for nothing else.
fn operand_only(ir: &Ir, reader: usize, id: usize) -> bool {
    let n = &ir.nodes[reader];
    let sloped = matches!(n.op, Op::Linear { slope, .. } if slope != Act::None);
    let last = n.args.len() - 1;
    let fits = |(i, &arg): (usize, &usize)| source(ir, arg) != id || i < 2 || sloped && i == last;
    is_product(&n.op) && n.args.iter().enumerate().all(fits)
}

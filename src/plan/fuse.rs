//! Fusion: each rule recognises one composition and names the kernel that computes it whole. A test shows, for every
//! rule, that the fused and the unfused plan agree.

use super::rewrite::Ir;
use super::split;
use crate::graph::Op;
use crate::kernels::matmul_vec4::{Act, Form};
use crate::kernels::{binary, unary};
use crate::values::Shape;

/// A rule replaces the op and the arguments of one node, or leaves it.
type Rule = fn(&Ir, &[usize], usize) -> Option<(Op, Vec<usize>)>;

/// The rules, in the order in which they are tried at each node.
const RULES: &[(&str, Rule)] = &[
    ("nested sums", nested_sums),
    ("scaled sum", scaled_sum),
    ("bias", bias),
    ("addend", addend),
    ("activation", activation),
    ("activation gradient", activation_gradient),
    ("slope", slope),
    ("bce gradient", bce_gradient),
];

/// The names of the rules: tests hold one proof for each.
pub fn fusion_rules() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|(name, _)| *name)
}

/// Applies every rule at every live node, in order, until nothing more is recognised.
pub(super) fn fuse(mut ir: Ir) -> Ir {
    for id in 0..ir.nodes.len() {
        let uses = ir.uses();
        if !ir.live()[id] {
            continue;
        }
        while let Some((op, args)) = RULES.iter().find_map(|(_, rule)| rule(&ir, &uses, id)) {
            ir.nodes[id].op = op;
            ir.nodes[id].args = args;
        }
    }
    ir
}

/// Σ of Σ over neighbouring axes → one Σ; over all that is left, even if it was reshaped between.
fn nested_sums(ir: &Ir, uses: &[usize], id: usize) -> Option<(Op, Vec<usize>)> {
    let Op::Sum { first, count, scale } = ir.nodes[id].op else { return None };
    let inner = ir.nodes[id].args[0];
    if ir.nodes[inner].op == Op::Reshape && uses[inner] == 1 && ir.nodes[id].shape.len() == 1 {
        let (sum, args) = (ir.nodes[inner].args[0], &ir.nodes[ir.nodes[inner].args[0]].args);
        return match ir.nodes[sum].op {
            Op::Sum { scale: s, .. } if uses[sum] == 1 => {
                let count = ir.nodes[args[0]].shape.rank();
                Some((Op::Sum { first: 0, count, scale: scale * s }, args.clone()))
            }
            _ => None,
        };
    }
    match ir.nodes[inner].op {
        Op::Sum { first: f, count: c, scale: s } if uses[inner] == 1 && first <= f && f <= first + count => {
            Some((Op::Sum { first, count: count + c, scale: scale * s }, ir.nodes[inner].args.clone()))
        }
        _ => None,
    }
}

/// c·Σx → Σ scaled by c.
fn scaled_sum(ir: &Ir, uses: &[usize], id: usize) -> Option<(Op, Vec<usize>)> {
    let Op::Unary(unary::Op::Affine, c, 0.0) = ir.nodes[id].op else { return None };
    let x = ir.nodes[id].args[0];
    match ir.nodes[x].op {
        Op::Sum { first, count, scale } if uses[x] == 1 => {
            Some((Op::Sum { first, count, scale: scale * f64::from(c) }, ir.nodes[x].args.clone()))
        }
        _ => None,
    }
}

/// A·B + broadcast bias → Linear.
fn bias(ir: &Ir, uses: &[usize], id: usize) -> Option<(Op, Vec<usize>)> {
    let n = &ir.nodes[id];
    let Op::Binary(binary::Op::Add) = n.op else { return None };
    let (x, b) = (n.args[0], n.args[1]);
    let (Op::Matmul { ta, tb }, Op::Broadcast) = (&ir.nodes[x].op, &ir.nodes[b].op) else { return None };
    let vector = ir.nodes[b].args[0];
    let row = ir.nodes[vector].shape;
    if uses[x] != 1
        || split::run(ir, x).is_some()
        || n.shape.rank() != 2
        || row.rank() != 1
        || row.len() != n.shape.last()
    {
        return None;
    }
    let args = vec![ir.nodes[x].args[0], ir.nodes[x].args[1], vector];
    Some((linear(Form { bias: true, ..Form::product(*ta, *tb) }), args))
}

/// A product and what follows it.
fn linear(Form { ta, tb, bias, act, add, slope, .. }: Form) -> Op {
    Op::Linear { ta, tb, bias, act, add, slope }
}

/// What a product is so far, where `id` is one that nothing but its reader reads, and is made at one go.
fn product(ir: &Ir, uses: &[usize], id: usize) -> Option<Form> {
    if uses[id] != 1 || split::run(ir, id).is_some() {
        return None;
    }
    match ir.nodes[id].op {
        Op::Matmul { ta, tb } => Some(Form::product(ta, tb)),
        Op::Linear { ta, tb, bias, act, add, slope } => Some(Form { bias, act, add, slope, ..Form::product(ta, tb) }),
        _ => None,
    }
}

/// Whether a node is a tensor of that shape in memory, not one that is made where it is read.
fn whole(ir: &Ir, id: usize, shape: Shape) -> bool {
    ir.nodes[id].shape == shape && !matches!(ir.nodes[id].op, Op::Broadcast | Op::Const(_) | Op::Scalar(_))
}

/// A·B + C → Linear with that C; of two products the later one takes up the other.
fn addend(ir: &Ir, uses: &[usize], id: usize) -> Option<(Op, Vec<usize>)> {
    let n = &ir.nodes[id];
    let Op::Binary(binary::Op::Add) = n.op else { return None };
    let (x, y) = (n.args[0].max(n.args[1]), n.args[0].min(n.args[1]));
    [(x, y), (y, x)].into_iter().find_map(|(x, c)| {
        let form = product(ir, uses, x)?;
        if form.act != Act::None || form.add || form.slope != Act::None || !whole(ir, c, n.shape) {
            return None;
        }
        Some((linear(Form { add: true, ..form }), [&ir.nodes[x].args[..], &[c]].concat()))
    })
}

/// act(Linear) and act(A·B) → Linear with that activation.
fn activation(ir: &Ir, uses: &[usize], id: usize) -> Option<(Op, Vec<usize>)> {
    let act = match ir.nodes[id].op {
        Op::Unary(unary::Op::Relu, ..) => Act::Relu,
        Op::Unary(unary::Op::Sigmoid, ..) => Act::Sigmoid,
        Op::Unary(unary::Op::Tanh, ..) => Act::Tanh,
        _ => return None,
    };
    let x = ir.nodes[id].args[0];
    let form = product(ir, uses, x)?;
    let open = form.act == Act::None && form.slope == Act::None;
    open.then(|| (linear(Form { act, ..form }), ir.nodes[x].args.clone()))
}

/// dy·step(y), dy·y(1 − y), dy·(1 − y²) → one pass over dy and y.
fn activation_gradient(ir: &Ir, uses: &[usize], id: usize) -> Option<(Op, Vec<usize>)> {
    let Op::Binary(binary::Op::Mul) = ir.nodes[id].op else { return None };
    let one_minus = |x: usize| match ir.nodes[x].op {
        Op::Unary(unary::Op::Affine, -1.0, 1.0) if uses[x] == 1 => Some(ir.nodes[x].args[0]),
        _ => None,
    };
    let factor = |f: usize| -> Option<(binary::Op, usize)> {
        let node = &ir.nodes[f];
        match node.op {
            Op::Unary(unary::Op::Step, ..) if uses[f] == 1 => Some((binary::Op::ReluGrad, node.args[0])),
            Op::Binary(binary::Op::Mul) if uses[f] == 1 && one_minus(node.args[1]) == Some(node.args[0]) => {
                Some((binary::Op::SigmoidGrad, node.args[0]))
            }
            _ => {
                let square = one_minus(f)?;
                match ir.nodes[square].op {
                    Op::Unary(unary::Op::Square, ..) if uses[square] == 1 => {
                        Some((binary::Op::TanhGrad, ir.nodes[square].args[0]))
                    }
                    _ => None,
                }
            }
        }
    };
    let (dy, f) = (ir.nodes[id].args[0], ir.nodes[id].args[1]);
    factor(f).map(|(op, y)| (Op::Binary(op), vec![dy, y]))
}

/// The gradient of an activation whose dy is a product → Linear with that slope.
fn slope(ir: &Ir, uses: &[usize], id: usize) -> Option<(Op, Vec<usize>)> {
    let n = &ir.nodes[id];
    let slope = match n.op {
        Op::Binary(binary::Op::ReluGrad) => Act::Relu,
        Op::Binary(binary::Op::SigmoidGrad) => Act::Sigmoid,
        Op::Binary(binary::Op::TanhGrad) => Act::Tanh,
        _ => return None,
    };
    let (dy, h) = (n.args[0], n.args[1]);
    let form = product(ir, uses, dy)?;
    let open = form.slope == Act::None && whole(ir, h, n.shape);
    open.then(|| (linear(Form { slope, ..form }), [&ir.nodes[dy].args[..], &[h]].concat()))
}

/// c·(σ(a) − x) → the gradient of BCE from logits.
fn bce_gradient(ir: &Ir, uses: &[usize], id: usize) -> Option<(Op, Vec<usize>)> {
    let Op::Unary(unary::Op::Affine, c, 0.0) = ir.nodes[id].op else { return None };
    let difference = ir.nodes[id].args[0];
    let Op::Binary(binary::Op::Sub) = ir.nodes[difference].op else { return None };
    let (s, x) = (ir.nodes[difference].args[0], ir.nodes[difference].args[1]);
    let Op::Unary(unary::Op::Sigmoid, ..) = ir.nodes[s].op else { return None };
    let plain = ir.nodes[x].op != Op::Broadcast && uses[difference] == 1 && uses[s] == 1;
    plain.then(|| (Op::BceGrad(c), vec![ir.nodes[s].args[0], x]))
}

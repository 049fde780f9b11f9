//! Rewrites before fusion: constants folded, common subexpressions shared, elementwise work done before broadcasting
//! rather than after, dead nodes dropped. Each keeps the meaning; none changes the order of a sum.

use crate::graph::{Node, Op};
use crate::kernels::{binary, unary};
use crate::values::Shape;
use std::collections::HashMap;

/// Nodes and those of them that something outside needs.
#[derive(Clone, Debug)]
pub(super) struct Ir {
    pub nodes: Vec<Node>,
    pub roots: Vec<usize>,
}

impl Ir {
    /// How many live nodes and roots read each node.
    pub fn uses(&self) -> Vec<usize> {
        let live = self.live();
        let readers = self.nodes.iter().zip(live).filter(|(_, live)| *live);
        let mut uses = vec![0; self.nodes.len()];
        for &a in readers.flat_map(|(n, _)| &n.args).chain(&self.roots) {
            uses[a] += 1;
        }
        uses
    }

    /// Which nodes a root depends on.
    pub fn live(&self) -> Vec<bool> {
        let mut live = vec![false; self.nodes.len()];
        self.roots.iter().for_each(|&r| live[r] = true);
        for id in (0..self.nodes.len()).rev() {
            if live[id] {
                self.nodes[id].args.iter().for_each(|&a| live[a] = true);
            }
        }
        live
    }

    /// The number that a node is everywhere, if it is one.
    pub fn constant(&self, id: usize) -> Option<f64> {
        match self.nodes[id].op {
            Op::Const(c) => Some(c),
            _ => None,
        }
    }
}

struct Rewriter {
    ir: Ir,
    known: HashMap<String, usize>,
}

/// The rewritten nodes, and the new id of each old root.
pub(super) fn rewrite(nodes: &[Node], roots: &[usize]) -> Ir {
    let mut r = Rewriter { ir: Ir { nodes: Vec::new(), roots: Vec::new() }, known: HashMap::new() };
    let mut new = Vec::with_capacity(nodes.len());
    for node in nodes {
        let args = node.args.iter().map(|&a| new[a]).collect();
        new.push(r.add(Node { args, ..node.clone() }));
    }
    r.ir.roots = roots.iter().map(|&x| new[x]).collect();
    r.ir
}

impl Rewriter {
    /// The id of a node that means the same: an older equal one, a simpler one, or the node itself, appended.
    fn add(&mut self, node: Node) -> usize {
        if let Some(id) = self.simplify(&node) {
            return id;
        }
        let key = format!("{:?} {:?} {:?}", node.op, node.args, node.shape);
        if let Some(&id) = self.known.get(&key) {
            return id;
        }
        self.ir.nodes.push(node);
        self.known.insert(key, self.ir.nodes.len() - 1);
        self.ir.nodes.len() - 1
    }

    fn with(&mut self, like: &Node, op: Op, args: Vec<usize>, shape: Shape) -> usize {
        self.add(Node { op, args, shape, ..like.clone() })
    }

    fn simplify(&mut self, n: &Node) -> Option<usize> {
        let arg = |i: usize| n.args[i];
        let constant = |r: &Self, i: usize| r.ir.constant(n.args[i]);
        let same_shape = |r: &Self, i: usize| r.ir.nodes[n.args[i]].shape == n.shape;
        let (op, args) = match &n.op {
            Op::Detach | Op::WithGradient => return Some(arg(0)),
            Op::Reshape if same_shape(self, 0) => return Some(arg(0)),
            Op::Broadcast if same_shape(self, 0) => return Some(arg(0)),
            Op::Reshape | Op::Broadcast | Op::Permute(_) | Op::Slice(_) if constant(self, 0).is_some() => {
                (Op::Const(constant(self, 0)?), vec![])
            }
            Op::Reshape if self.ir.nodes[arg(0)].op == Op::Reshape => {
                (Op::Reshape, vec![self.ir.nodes[arg(0)].args[0]])
            }
            // Only axes of extent 1 were added, or summed away.
            Op::Broadcast if self.ir.nodes[arg(0)].shape.len() == n.shape.len() => (Op::Reshape, vec![arg(0)]),
            Op::Sum { scale, .. } if self.ir.nodes[arg(0)].shape.len() == n.shape.len() => {
                let same = self.with(n, Op::Reshape, vec![arg(0)], n.shape);
                (Op::Unary(unary::Op::Affine, *scale as f32, 0.0), vec![same])
            }
            Op::Sum { scale, .. } if constant(self, 0).is_some() => {
                let terms = self.ir.nodes[arg(0)].shape.len() / n.shape.len();
                (Op::Const(constant(self, 0)? * terms as f64 * scale), vec![])
            }
            Op::Unary(f, alpha, beta) => return self.simplify_unary(n, *f, *alpha, *beta),
            Op::Binary(f) => return self.simplify_binary(n, *f),
            _ => return None,
        };
        Some(self.with(n, op, args, n.shape))
    }

    fn simplify_unary(&mut self, n: &Node, f: unary::Op, alpha: f32, beta: f32) -> Option<usize> {
        let x = n.args[0];
        if let Some(c) = self.ir.constant(x) {
            let value = f.apply(c, f64::from(alpha), f64::from(beta));
            return Some(self.with(n, Op::Const(value), vec![], n.shape));
        }
        if f == unary::Op::Affine && alpha == 1.0 && beta == 0.0 {
            return Some(x);
        }
        match self.ir.nodes[x].op.clone() {
            // α(α′x + β′) + β
            Op::Unary(unary::Op::Affine, a, b) if f == unary::Op::Affine => {
                let inner = self.ir.nodes[x].args[0];
                let op = Op::Unary(f, alpha * a, alpha * b + beta);
                Some(self.with(n, op, vec![inner], n.shape))
            }
            // f before repetition is less work than after; f before a reshape can be fused with what made x.
            outer @ (Op::Broadcast | Op::Reshape) => {
                let small = self.ir.nodes[x].args[0];
                let inner = self.with(n, n.op.clone(), vec![small], self.ir.nodes[small].shape);
                Some(self.with(n, outer, vec![inner], n.shape))
            }
            _ => None,
        }
    }

    fn simplify_binary(&mut self, n: &Node, f: binary::Op) -> Option<usize> {
        use binary::Op as B;
        let (a, b) = (n.args[0], n.args[1]);
        let affine = |alpha: f64, beta: f64| Op::Unary(unary::Op::Affine, alpha as f32, beta as f32);
        let (op, arg) = match (f, self.ir.constant(a), self.ir.constant(b)) {
            (B::Add, Some(x), Some(y)) => (Op::Const(x + y), None),
            (B::Sub, Some(x), Some(y)) => (Op::Const(x - y), None),
            (B::Mul, Some(x), Some(y)) => (Op::Const(x * y), None),
            (B::Div, Some(x), Some(y)) => (Op::Const(x / y), None),
            (B::Add, None, Some(c)) => (affine(1.0, c), Some(a)),
            (B::Add, Some(c), None) => (affine(1.0, c), Some(b)),
            (B::Sub, None, Some(c)) => (affine(1.0, -c), Some(a)),
            (B::Sub, Some(c), None) => (affine(-1.0, c), Some(b)),
            (B::Mul, None, Some(c)) => (affine(c, 0.0), Some(a)),
            (B::Mul, Some(c), None) => (affine(c, 0.0), Some(b)),
            (B::Div, None, Some(c)) => (affine(1.0 / c, 0.0), Some(a)),
            _ => return self.before_broadcast(n, a, b),
        };
        Some(self.with(n, op, arg.into_iter().collect(), n.shape))
    }

    /// f(broadcast a, broadcast b) = broadcast f(a, b) where both are repeated alike; likewise for reshapes.
    fn before_broadcast(&mut self, n: &Node, a: usize, b: usize) -> Option<usize> {
        let outer = self.ir.nodes[a].op.clone();
        if !matches!(outer, Op::Broadcast | Op::Reshape) || self.ir.nodes[b].op != outer {
            return None;
        }
        let (x, y) = (self.ir.nodes[a].args[0], self.ir.nodes[b].args[0]);
        let shape = self.ir.nodes[x].shape;
        if shape != self.ir.nodes[y].shape {
            return None;
        }
        let inner = self.with(n, n.op.clone(), vec![x, y], shape);
        Some(self.with(n, outer, vec![inner], n.shape))
    }
}

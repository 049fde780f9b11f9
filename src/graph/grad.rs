//! Reverse-mode differentiation, graph → graph: the table below has one line an op, cotangents are made of ops that
//! have lines of their own, so gradients of gradients need nothing more.

use super::op::{Gradient, Op};
use super::tensor::Tensor;
use super::{Axes, Node};
use crate::kernels::matmul_vec4::Act;
use crate::kernels::{binary, unary};
use crate::values::Shape;

/// ∂loss/∂w for every w of `wrt`, as nodes of the same graph; `loss` is a scalar. Fan-in is an explicit `+` node, so
/// no kernel ever accumulates. Panics, by name, when some w has no path to the loss.
#[track_caller]
pub fn grad<'g>(loss: Tensor<'g>, wrt: &[Tensor<'g>]) -> Vec<Tensor<'g>> {
    assert_eq!(loss.len(), 1, "the gradient of a tensor of shape {} is asked for; a loss is a scalar", loss.shape());
    vjp(&[loss], &[loss.like(1.0)], wrt)
}

/// Σ_i (∂y_i/∂w)ᵀ·cotangent_i for every w of `wrt`, of w's shape: the vector-Jacobian product, as nodes of the same
/// graph, which can be differentiated again. A cotangent has the shape of its output. An output that is itself in `wrt`
/// counts as a function of itself; what lies before an inner w is reached through it too. Panics, by name, when some w
/// has no path to an output.
#[track_caller]
pub fn vjp<'g>(outputs: &[Tensor<'g>], cotangents: &[Tensor<'g>], wrt: &[Tensor<'g>]) -> Vec<Tensor<'g>> {
    reverse(outputs, cotangents, wrt, false)
}

/// ∂y/∂x for every x of `wrt`, of x's shape, each an independent variable: where one is made of another, y's slope in the
/// other is that by the ways that lead through none. Nodes of the same graph, which can be differentiated again; y is a
/// scalar. Panics, by name, when y does not depend on some x.
#[track_caller]
pub fn partial<'g>(y: Tensor<'g>, wrt: &[Tensor<'g>]) -> Vec<Tensor<'g>> {
    assert_eq!(y.len(), 1, "slopes of a tensor of shape {} are asked for; a scalar has them", y.shape());
    reverse(&[y], &[y.like(1.0)], wrt, true)
}

/// [`vjp`]; or, with `cut`, nothing passes through what is in `wrt`.
#[track_caller]
fn reverse<'g>(outputs: &[Tensor<'g>], cotangents: &[Tensor<'g>], wrt: &[Tensor<'g>], cut: bool) -> Vec<Tensor<'g>> {
    assert_eq!(outputs.len(), cotangents.len(), "vjp: one cotangent an output");
    let last = outputs.iter().map(|y| y.id()).max().expect("vjp: at least one output");
    let graph = outputs[0].graph();
    // Parameters are read by one node a use: their cotangents meet at the first node of the same parameter.
    let canon = |id: usize| match graph.nodes()[id].op {
        Op::Param(p) => graph.nodes().iter().position(|n| n.op == Op::Param(p)).unwrap_or(id),
        _ => id,
    };
    let ends: Vec<usize> = wrt.iter().map(|w| canon(w.id())).collect();
    let reaches = reaching(&graph.nodes()[..=last], &ends, canon);
    let mut d: Vec<Option<Tensor<'g>>> = vec![None; last + 1];
    for (&y, &dy) in outputs.iter().zip(cotangents) {
        assert_eq!(y.shape(), dy.shape(), "vjp: an output and its cotangent differ in shape");
        let y = canon(y.id());
        d[y] = Some(d[y].map_or(dy, |sum| sum + dy));
    }
    for id in (0..=last).rev() {
        let Some(dy) = d[id] else { continue };
        let Node { op, args, .. } = graph.nodes()[id].clone();
        // An inner w whose own arguments lead to no other w is where its cotangent ends.
        if !args.iter().any(|&a| reaches[canon(a)]) || (cut && ends.contains(&id)) {
            continue;
        }
        match op.gradient() {
            Gradient::Stops => continue,
            Gradient::Refused => panic!("{} has no gradient; detach it, or leave it to fusion", op.name()),
            Gradient::Rule => {}
        }
        let x: Vec<Tensor<'g>> = args.iter().map(|&a| graph.tensor(a)).collect();
        let cotangents = pullback(&op, &x, graph.tensor(id), dy);
        #[cfg(feature = "mutants")]
        let cotangents = falsified(&op, cotangents);
        for (arg, dx) in args.iter().zip(cotangents) {
            let arg = canon(*arg);
            if let (Some(dx), true) = (dx, reaches[arg]) {
                d[arg] = Some(d[arg].map_or(dx, |sum| sum + dx));
            }
        }
    }
    let missing = |w: &Tensor<'g>| match graph.nodes()[w.id()].op {
        Op::Param(p) => graph.params()[p].path.clone(),
        _ => format!("{w:?}"),
    };
    // What was made after the loss has no cotangent either.
    let found = |w: &Tensor<'g>| d.get(canon(w.id())).copied().flatten();
    wrt.iter().map(|w| found(w).unwrap_or_else(|| panic!("{} has no path to the loss", missing(w)))).collect()
}

/// For each node, whether anything of `wrt` is among its ancestors: what does not reach gets no cotangent.
fn reaching(nodes: &[Node], wrt: &[usize], canon: impl Fn(usize) -> usize) -> Vec<bool> {
    let mut reaches = vec![false; nodes.len()];
    for (id, node) in nodes.iter().enumerate() {
        reaches[id] = wrt.contains(&canon(id)) || node.args.iter().any(|&a| reaches[a]);
    }
    reaches
}

/// One line an op: the cotangents of the arguments `x`, given the result `y` and its cotangent `dy`.
fn pullback<'g>(op: &Op, x: &[Tensor<'g>], y: Tensor<'g>, dy: Tensor<'g>) -> Vec<Option<Tensor<'g>>> {
    use binary::Op as B;
    use unary::Op as U;
    let one = |t: Tensor<'g>| vec![Some(t)];
    let two = |a: Tensor<'g>, b: Tensor<'g>| vec![Some(a), Some(b)];
    match op {
        Op::Unary(f, alpha, beta) => match f {
            U::Exp => one(dy * y),
            U::Ln => one(dy * x[0].recip()),
            U::Sqrt => one(dy * y.recip() * 0.5),
            U::Recip => one(-(dy * y.square())),
            U::Abs => one(dy * x[0].sign()),
            U::Sigmoid => one(dy * (y * (1.0 - y))),
            U::Tanh => one(dy * (1.0 - y.square())),
            U::Relu => one(dy * y.step()),
            U::Softplus => one(dy * x[0].sigmoid()),
            U::Square => one(dy * (x[0] * 2.0)),
            U::Affine => one(dy * f64::from(*alpha)),
            U::Clamp => one(dy * x[0].same_unary(U::Inside, *alpha, *beta)),
            U::Sign | U::Step | U::Inside => vec![None],
        },
        Op::Binary(f) => match f {
            B::Add => two(dy, dy),
            B::Sub => two(dy, -dy),
            B::Mul => two(dy * x[1], dy * x[0]),
            B::Div => two(dy / x[1], -(dy * y / x[1])),
            // At a tie the first argument has the whole gradient.
            B::Max => two(dy * (1.0 - x[1].greater(x[0])), dy * x[1].greater(x[0])),
            B::Min => two(dy * (1.0 - x[0].greater(x[1])), dy * x[0].greater(x[1])),
            B::Gt => vec![None, None],
            B::ReluGrad | B::SigmoidGrad | B::TanhGrad => unreachable!("{} is made by fusion", op.name()),
        },
        Op::Broadcast => one(unbroadcast(dy, x[0].shape())),
        Op::Reshape => one(dy.reshape(x[0].shape().dims())),
        Op::Permute(perm) => {
            let mut inverse = vec![0; perm.len()];
            perm.iter().enumerate().for_each(|(i, &p)| inverse[p] = i);
            one(dy.permute(&inverse))
        }
        Op::Slice(start) => one(dy.pad(start, x[0].shape().dims())),
        Op::Pad(start) => one(dy.slice(start, x[0].shape().dims())),
        Op::Sum { first, count, scale } => {
            let mut dims = x[0].shape().dims().to_vec();
            dims[*first..first + count].fill(1);
            let dy = if *scale == 1.0 { dy } else { dy * *scale };
            one(dy.reshape(&dims).broadcast(x[0].shape()))
        }
        Op::Unfold(window) => one(dy.fold(*window)),
        Op::Fold(window) => one(dy.unfold(*window)),
        Op::Matmul { ta, tb } => {
            let da = if *ta { x[1].matmul_as(dy, *tb, true) } else { dy.matmul_as(x[1], false, !tb) };
            let db = if *tb { dy.matmul_as(x[0], true, *ta) } else { x[0].matmul_as(dy, !ta, false) };
            two(da, db)
        }
        // Each element is multiplied by its own factor: the same for its cotangent.
        Op::Triangle(s) => one(dy.triangle(*s)),
        Op::TriangularSolve { transposed } => {
            let db = x[0].triangular_solve(dy, !transposed);
            let dl = if *transposed { y.matrix_product(db, false, true) } else { db.matrix_product(y, false, true) };
            two(-dl.triangle(1.0), db)
        }
        Op::Cholesky => {
            // Murray 2016: with Φ = lower triangle, diagonal halved, S = L⁻ᵀ Φ(Lᵀ dL) L⁻¹, here of its transpose.
            let p = y.matrix_product(dy, true, false).triangle(0.5);
            let s = y.triangular_solve(y.triangular_solve(p, true).transpose(), true);
            one((s + s.transpose()).triangle(0.5))
        }
        Op::Lstm => {
            let (w, [n, time, units]) = (x[1], [0, 1, 2].map(|axis| y.shape()[axis]));
            let da = y.lstm_grad(w, dy);
            // h before the first step is 0: of it there is no product.
            let dw = match time {
                1 => w.like(0.0),
                _ => {
                    let rows = n * (time - 1);
                    let before = y.slice(&[0, 0, 0], &[n, time - 1, units]).reshape(&[rows, units]);
                    let after = da.slice(&[0, 1, 0], &[n, time - 1, 4 * units]).reshape(&[rows, 4 * units]);
                    before.matmul_as(after, true, false)
                }
            };
            two(da, dw)
        }
        Op::AtTime => vec![Some(dy.placed(x[1], x[0].shape()[1])), None],
        Op::Placed => vec![Some(dy.at_time(x[1])), None],
        Op::Bce => two(dy * (x[0].sigmoid() - x[1]), -(dy * x[0])),
        Op::GaussianKl => two(dy * x[0], dy * (x[1].exp() - 1.0) * 0.5),
        Op::Reparam => {
            // z − μ is e^{lv/2}·ε.
            let (mu, log_var) = (x[0], x[1]);
            let dlv = unbroadcast(dy * (y - mu) * 0.5, mu.shape());
            vec![Some(unbroadcast(dy, mu.shape())), Some(dlv), Some(dy * (log_var * 0.5).exp())]
        }
        Op::JacobianPenalty(act) => {
            let (h, r, dy) = (x[0], x[1], dy.reshape(&[dy.len(), 1]));
            // s = act′ in terms of h, and ds/dh.
            let (s, ds) = match act {
                Act::None => (h.like(1.0), None),
                Act::Relu => (h.step(), None),
                Act::Sigmoid => (h * (1.0 - h), Some(1.0 - h * 2.0)),
                Act::Tanh => (1.0 - h.square(), Some(h * -2.0)),
            };
            vec![ds.map(|ds| dy * r * (s * ds) * 2.0), Some((dy * s.square()).sum(Axes::Numbered(0, 1)))]
        }
        Op::Param(_)
        | Op::State(_)
        | Op::Const(_)
        | Op::Scalar(_)
        | Op::Random(_)
        | Op::Batch(_)
        | Op::Sprites
        | Op::Detach => {
            vec![None; x.len()]
        }
        Op::WithGradient => {
            let pairs = x[1..].chunks_exact(2).flat_map(|pair| [Some(dy * pair[1]), None]);
            [None].into_iter().chain(pairs).collect()
        }
        // Which ones are the largest changes by jumps only.
        Op::TopK(_) | Op::ArgMax | Op::Jumps(_) | Op::Sinusoids(_) | Op::Moving(_) => vec![None; x.len()],
        // Each is the other's adjoint.
        Op::Gather => vec![Some(dy.segment_sum(x[1], x[0].shape())), None],
        Op::SegmentSum => vec![Some(dy.gather(x[1])), None],
        Op::LstmTape | Op::LstmGrad => unreachable!("{} is refused before", op.name()),
        Op::Max { .. } | Op::Pack { .. } | Op::Linear { .. } | Op::BceGrad(_) => {
            unreachable!("{} is refused before", op.name())
        }
    }
}

/// The mutation pass: `$ELBO_MUTATE_GRADIENT` = `NAME:k` makes cotangent k of that op's line 1% too large; `list` prints
/// every NAME:k that is passed.
#[cfg(feature = "mutants")]
fn falsified<'g>(op: &Op, mut cotangents: Vec<Option<Tensor<'g>>>) -> Vec<Option<Tensor<'g>>> {
    let wanted = std::env::var("ELBO_MUTATE_GRADIENT").unwrap_or_default();
    for (k, dx) in cotangents.iter_mut().enumerate() {
        let line = format!("{}:{k}", op.name());
        match dx {
            Some(_) if wanted == "list" => println!("\ngradient line {line}"),
            Some(t) if wanted == line => *t = *t * 1.01,
            _ => {}
        }
    }
    cotangents
}

/// The adjoint of broadcasting: sums `dy` over the axes along which a tensor of shape `to` was repeated.
fn unbroadcast<'g>(dy: Tensor<'g>, to: Shape) -> Tensor<'g> {
    let mut t = dy;
    let extra = t.shape().rank() - to.rank();
    if extra > 0 {
        t = t.sum(Axes::Numbered(0, extra));
    }
    // Axes of extent 1 that were repeated, summed in runs of neighbours from the right.
    let mut axis = to.rank();
    while axis > 0 {
        let end = axis;
        while axis > 0 && to[axis - 1] == 1 && t.shape()[axis - 1] > 1 {
            axis -= 1;
        }
        if axis < end {
            let mut dims = t.shape().dims().to_vec();
            dims[axis..end].fill(1);
            t = t.sum(Axes::Numbered(axis, end)).reshape(&dims);
        } else {
            axis -= 1;
        }
    }
    t
}

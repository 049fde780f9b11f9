//! [`Tensor`]: a `Copy` handle on a node, and the formulas that can be written with it.

use super::arena::Graph;
use super::axes::Axes;
use super::op::{Count, Op, matmul_shape};
use crate::kernels::matmul_vec4::Act;
use crate::kernels::{binary, unary};
use crate::values::{DType, MAX_RANK, Shape};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A node of a graph. Shape errors are bugs of a model: they panic at the line that wrote them.
#[derive(Clone, Copy)]
pub struct Tensor<'g> {
    pub(super) graph: &'g Graph,
    pub(super) id: usize,
}

impl std::fmt::Debug for Tensor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{} {}", self.id, self.shape())
    }
}

#[track_caller]
pub(super) fn bad(graph: &Graph, op: &str, shapes: &[Shape], why: &str) -> ! {
    let shapes: Vec<String> = shapes.iter().map(Shape::to_string).collect();
    panic!("{op} of {} in scope `{}`: {why}", shapes.join(" and "), graph.scope())
}

impl<'g> Tensor<'g> {
    /// The graph.
    pub fn graph(self) -> &'g Graph {
        self.graph
    }
    /// The node's id.
    pub fn id(self) -> usize {
        self.id
    }
    /// The shape.
    pub fn shape(self) -> Shape {
        self.graph.nodes()[self.id].shape
    }
    /// The number of elements.
    pub fn len(self) -> usize {
        self.shape().len()
    }
    /// Never true; see [`Shape::is_empty`].
    pub fn is_empty(self) -> bool {
        false
    }
    /// Which axis is the batch.
    pub fn batch_axis(self) -> Option<usize> {
        self.graph.nodes()[self.id].batch
    }
    /// The same tensor, with its batch axis named.
    pub fn with_batch_axis(self, axis: usize) -> Self {
        let shape = self.shape();
        assert!(axis < shape.rank(), "axis {axis} of {shape}");
        self.graph.push(Op::Reshape, &[self.id], shape, DType::F32, Some(axis))
    }

    /// The same tensor, with that batch axis where it is one of its axes.
    pub fn in_batch(self, axis: Option<usize>) -> Self {
        axis.filter(|&axis| axis < self.shape().rank()).map_or(self, |axis| self.with_batch_axis(axis))
    }

    pub(super) fn make(self, op: Op, args: &[usize], shape: Shape, batch: Option<usize>) -> Self {
        self.graph.push(op, args, shape, DType::F32, batch)
    }

    fn unary(self, f: unary::Op, alpha: f64, beta: f64) -> Self {
        self.make(Op::Unary(f, alpha as f32, beta as f32), &[self.id], self.shape(), self.batch_axis())
    }
    /// eˣ
    pub fn exp(self) -> Self {
        self.unary(unary::Op::Exp, 0.0, 0.0)
    }
    /// ln x
    pub fn ln(self) -> Self {
        self.unary(unary::Op::Ln, 0.0, 0.0)
    }
    /// √x
    pub fn sqrt(self) -> Self {
        self.unary(unary::Op::Sqrt, 0.0, 0.0)
    }
    /// 1/x
    pub fn recip(self) -> Self {
        self.unary(unary::Op::Recip, 0.0, 0.0)
    }
    /// |x|
    pub fn abs(self) -> Self {
        self.unary(unary::Op::Abs, 0.0, 0.0)
    }
    /// −1, 0 or 1
    pub fn sign(self) -> Self {
        self.unary(unary::Op::Sign, 0.0, 0.0)
    }
    /// 1 where x > 0, else 0
    pub fn step(self) -> Self {
        self.unary(unary::Op::Step, 0.0, 0.0)
    }
    /// 1/(1 + e⁻ˣ)
    pub fn sigmoid(self) -> Self {
        self.unary(unary::Op::Sigmoid, 0.0, 0.0)
    }
    /// tanh x
    pub fn tanh(self) -> Self {
        self.unary(unary::Op::Tanh, 0.0, 0.0)
    }
    /// max(x, 0)
    pub fn relu(self) -> Self {
        self.unary(unary::Op::Relu, 0.0, 0.0)
    }
    /// ln(1 + eˣ)
    pub fn softplus(self) -> Self {
        self.unary(unary::Op::Softplus, 0.0, 0.0)
    }
    /// x²
    pub fn square(self) -> Self {
        self.unary(unary::Op::Square, 0.0, 0.0)
    }
    /// a·x + b
    pub fn affine(self, a: f64, b: f64) -> Self {
        self.unary(unary::Op::Affine, a, b)
    }
    /// x limited to [lo, hi]; the gradient is zero outside.
    pub fn clamp(self, lo: f64, hi: f64) -> Self {
        self.unary(unary::Op::Clamp, lo, hi)
    }
    /// 1 where lo ≤ x ≤ hi, else 0
    pub fn inside(self, lo: f64, hi: f64) -> Self {
        self.unary(unary::Op::Inside, lo, hi)
    }
    pub(super) fn same_unary(self, f: unary::Op, alpha: f32, beta: f32) -> Self {
        self.unary(f, alpha.into(), beta.into())
    }

    /// f(a, b); shapes are aligned at the right, axes of size 1 and missing ones are repeated.
    #[track_caller]
    fn binary(self, o: Self, f: binary::Op) -> Self {
        let (a, b) = (self.shape(), o.shape());
        let name = format!("{f:?}").to_lowercase();
        let Some(shape) = broadcast_shape(a, b) else { bad(self.graph, &name, &[a, b], "these do not broadcast") };
        let (x, y) = (self.broadcast(shape), o.broadcast(shape));
        let batch = x.batch_axis().or(y.batch_axis());
        self.make(Op::Binary(f), &[x.id, y.id], shape, batch)
    }
    /// The larger of two.
    #[track_caller]
    pub fn maximum(self, o: Self) -> Self {
        self.binary(o, binary::Op::Max)
    }
    /// The smaller of two.
    #[track_caller]
    pub fn minimum(self, o: Self) -> Self {
        self.binary(o, binary::Op::Min)
    }
    /// 1 where self > o, else 0.
    #[track_caller]
    pub fn greater(self, o: Self) -> Self {
        self.binary(o, binary::Op::Gt)
    }

    /// Repeated to a larger shape; nothing where the shape is the same.
    #[track_caller]
    pub fn broadcast(self, shape: Shape) -> Self {
        let from = self.shape();
        if from == shape {
            return self;
        }
        if broadcast_shape(from, shape) != Some(shape) {
            bad(self.graph, "broadcast", &[from, shape], "the first does not broadcast to the second");
        }
        let batch = self.batch_axis().map(|b| b + shape.rank() - from.rank());
        self.make(Op::Broadcast, &[self.id], shape, batch)
    }

    /// The same elements in another shape. The batch axis is kept where everything up to it keeps its extent.
    #[track_caller]
    pub fn reshape(self, dims: &[usize]) -> Self {
        let (from, to) = (self.shape(), Shape::new(dims));
        if from.len() != to.len() {
            bad(self.graph, "reshape", &[from, to], "the numbers of elements differ");
        }
        let kept = |b: &usize| to.rank() > *b && from.dims()[..=*b] == to.dims()[..=*b];
        self.make(Op::Reshape, &[self.id], to, self.batch_axis().filter(kept))
    }

    /// Axes reordered: axis i of the result is axis perm\[i\] of this.
    #[track_caller]
    pub fn permute(self, perm: &[usize]) -> Self {
        let from = self.shape();
        let mut seen = [false; MAX_RANK];
        let valid = perm.len() == from.rank()
            && perm.iter().all(|&p| p < from.rank() && !std::mem::replace(&mut seen[p], true));
        if !valid {
            bad(self.graph, "permute", &[from], &format!("{perm:?} is no permutation of its axes"));
        }
        let dims: Vec<usize> = perm.iter().map(|&p| from[p]).collect();
        let batch = self.batch_axis().and_then(|b| perm.iter().position(|&p| p == b));
        self.make(Op::Permute(perm.to_vec()), &[self.id], Shape::new(&dims), batch)
    }

    /// The last two axes exchanged.
    #[track_caller]
    pub fn transpose(self) -> Self {
        let r = self.shape().rank();
        if r < 2 {
            bad(self.graph, "transpose", &[self.shape()], "two axes are needed");
        }
        let mut perm: Vec<usize> = (0..r).collect();
        perm.swap(r - 2, r - 1);
        self.permute(&perm)
    }

    /// The box of extent `dims` that begins at `start`.
    #[track_caller]
    pub fn slice(self, start: &[usize], dims: &[usize]) -> Self {
        let from = self.shape();
        let r = from.rank();
        let inside =
            start.len() == r && dims.len() == r && (0..r).all(|i| dims[i] > 0 && start[i] + dims[i] <= from[i]);
        if !inside {
            bad(self.graph, "slice", &[from], &format!("the box at {start:?} of extent {dims:?} is not inside"));
        }
        self.make(Op::Slice(start.to_vec()), &[self.id], Shape::new(dims), self.batch_axis())
    }

    /// This in a tensor of zeros of extent `dims`, at `start`.
    #[track_caller]
    pub fn pad(self, start: &[usize], dims: &[usize]) -> Self {
        let from = self.shape();
        let r = from.rank();
        if start.len() != r || dims.len() != r || (0..r).any(|i| start[i] + from[i] > dims[i]) {
            bad(self.graph, "pad", &[from], &format!("it does not fit {dims:?} at {start:?}"));
        }
        self.make(Op::Pad(start.to_vec()), &[self.id], Shape::new(dims), self.batch_axis())
    }

    /// This and another one after it, along an axis.
    #[track_caller]
    pub fn concat(self, o: Self, axis: usize) -> Self {
        let (a, b) = (self.shape(), o.shape());
        if a.rank() != b.rank() || axis >= a.rank() || (0..a.rank()).any(|i| i != axis && a[i] != b[i]) {
            bad(self.graph, "concat", &[a, b], &format!("they do not join along axis {axis}"));
        }
        let mut dims = a.dims().to_vec();
        dims[axis] += b[axis];
        let mut start = vec![0; a.rank()];
        let first = self.pad(&start, &dims);
        start[axis] = a[axis];
        first + o.pad(&start, &dims)
    }

    fn reduced(self, first: usize, count: usize) -> (Shape, Option<usize>) {
        let from = self.shape();
        let dims: Vec<usize> =
            (0..from.rank()).filter(|i| *i < first || *i >= first + count).map(|i| from[i]).collect();
        let batch = match self.batch_axis() {
            Some(b) if b < first => Some(b),
            Some(b) if b >= first + count => Some(b - count),
            _ => None,
        };
        (Shape::new(&dims), batch)
    }

    #[track_caller]
    fn axes(self, op: &str, axes: Axes) -> std::ops::Range<usize> {
        let shape = self.shape();
        axes.resolve(shape, self.batch_axis()).unwrap_or_else(|e| bad(self.graph, op, &[shape], &e))
    }

    #[track_caller]
    fn scaled_sum(self, axes: Axes, scale: impl Fn(usize) -> f64) -> Self {
        let range = self.axes("sum", axes);
        if range.is_empty() {
            return self;
        }
        let (shape, batch) = self.reduced(range.start, range.len());
        let scale = scale(self.len() / shape.len());
        self.make(Op::Sum { first: range.start, count: range.len(), scale }, &[self.id], shape, batch)
    }

    /// Σ over axes, which vanish.
    #[track_caller]
    pub fn sum(self, axes: Axes) -> Self {
        self.scaled_sum(axes, |_| 1.0)
    }

    /// The mean over axes, which vanish.
    #[track_caller]
    pub fn mean(self, axes: Axes) -> Self {
        self.scaled_sum(axes, |terms| 1.0 / terms as f64)
    }

    /// The largest element over axes, which vanish; has no gradient.
    #[track_caller]
    pub fn max(self, axes: Axes) -> Self {
        let range = self.axes("max", axes);
        if range.is_empty() {
            return self;
        }
        let (shape, batch) = self.reduced(range.start, range.len());
        self.make(Op::Max { first: range.start, count: range.len() }, &[self.id], shape, batch)
    }

    /// 1 at the k largest of each row (the last axis), at a tie the first ones, else 0: exactly min(k, row) ones a row.
    /// −0 is 0, and NaN is above every number. No gradient passes: x·x.top_k(k) has that of the k alone.
    #[track_caller]
    pub fn top_k(self, k: Count) -> Self {
        if self.shape().rank() == 0 {
            bad(self.graph, "top_k", &[self.shape()], "a scalar has no row");
        }
        self.make(Op::TopK(k), &[self.id], self.shape(), self.batch_axis())
    }

    /// ln Σ eˣ over axes, without overflow: the largest element is taken out first.
    #[track_caller]
    pub fn logsumexp(self, axes: Axes) -> Self {
        let range = self.axes("logsumexp", axes);
        let numbered = Axes::Numbered(range.start, range.end);
        let max = self.max(numbered).detach();
        let mut dims = self.shape().dims().to_vec();
        dims[range].fill(1);
        let centred = self - max.reshape(&dims);
        centred.exp().sum(numbered).ln() + max
    }

    /// ln of the mean of eˣ over axes.
    #[track_caller]
    pub fn logmeanexp(self, axes: Axes) -> Self {
        let s = self.logsumexp(axes);
        s.affine(1.0, -((self.len() / s.len()) as f64).ln())
    }

    /// op(self)·op(o): rank 2 each, or rank 3 each with a common leading axis.
    #[track_caller]
    pub fn matmul_as(self, o: Self, ta: bool, tb: bool) -> Self {
        let (a, b) = (self.shape(), o.shape());
        let shape = matmul_shape(a, b, ta, tb).unwrap_or_else(|e| bad(self.graph, "matmul", &[a, b], &e));
        let batch = if ta { None } else { self.batch_axis().filter(|&x| x < a.rank() - 1) };
        self.make(Op::Matmul { ta, tb }, &[self.id, o.id], shape, batch)
    }

    /// self·o
    #[track_caller]
    pub fn matmul(self, o: Self) -> Self {
        self.matmul_as(o, false, false)
    }

    /// Bernoulli negative log-likelihood per element of `x` under these logits, nats.
    #[track_caller]
    pub fn bce(self, x: Self) -> Self {
        let x = x.broadcast(self.shape());
        self.make(Op::Bce, &[self.id, x.id], self.shape(), self.batch_axis())
    }

    /// KL(N(self, e^log_var) ‖ N(0, 1)) per dimension, nats.
    #[track_caller]
    pub fn gaussian_kl(self, log_var: Self) -> Self {
        if self.shape() != log_var.shape() {
            bad(self.graph, "gaussian_kl", &[self.shape(), log_var.shape()], "the shapes differ");
        }
        self.make(Op::GaussianKl, &[self.id, log_var.id], self.shape(), self.batch_axis())
    }

    /// self + e^{log_var/2}·noise; noise may have further axes in front.
    #[track_caller]
    pub fn reparameterise(self, log_var: Self, noise: Self) -> Self {
        let (m, v, e) = (self.shape(), log_var.shape(), noise.shape());
        if m != v || !e.dims().ends_with(m.dims()) {
            bad(self.graph, "reparameterise", &[m, v, e], "the last must end with the shape of the first two");
        }
        self.make(Op::Reparam, &[self.id, log_var.id, noise.id], e, noise.batch_axis())
    }

    /// Σ_j act′(a_bj)² r_j where self is h = act(a), \[batch, units\], and r \[units\]: \[batch\].
    #[track_caller]
    pub fn jacobian_penalty(self, r: Self, act: Act) -> Self {
        let (h, s) = (self.shape(), r.shape());
        if h.rank() != 2 || s.rank() != 1 || h[1] != s[0] {
            bad(self.graph, "jacobian_penalty", &[h, s], "[batch, units] and [units] are expected");
        }
        let batch = self.batch_axis().filter(|&axis| axis == 0);
        self.make(Op::JacobianPenalty(act), &[self.id, r.id], Shape::new(&[h[0]]), batch)
    }

    /// The same values, through which no gradient passes.
    pub fn detach(self) -> Self {
        self.make(Op::Detach, &[self.id], self.shape(), self.batch_axis())
    }

    /// y, a scalar, with ∂y/∂xᵢ as they are given, by tensors of the shape of xᵢ: the cotangent of xᵢ is dy·∂y/∂xᵢ, and
    /// none passes by another way. So a sum of many parts can have the gradient of each made beside the part, which a plan
    /// then need not keep. A second derivative is right where every way from what it is taken by leads through some xᵢ, and
    /// the slopes are a graph of their own, as those of [`partial`](super::partial) are.
    #[track_caller]
    pub fn with_gradient(self, slopes: &[(Self, Self)]) -> Self {
        if self.shape().rank() > 0 {
            bad(self.graph, "with_gradient", &[self.shape()], "a scalar has slopes");
        }
        let mut args = vec![self.id];
        for (x, slope) in slopes {
            if x.shape() != slope.shape() {
                bad(self.graph, "with_gradient", &[x.shape(), slope.shape()], "a slope has the shape of what it is by");
            }
            args.extend([x.id, slope.id]);
        }
        self.make(Op::WithGradient, &args, self.shape(), None)
    }

    /// A constant of this tensor's shape.
    pub fn like(self, value: f64) -> Self {
        self.make(Op::Const(value), &[], self.shape(), self.batch_axis())
    }
}

fn broadcast_shape(a: Shape, b: Shape) -> Option<Shape> {
    let rank = a.rank().max(b.rank());
    let at = |s: Shape, i: usize| (i + s.rank()).checked_sub(rank).map_or(1, |i| s[i]);
    let mut dims = Vec::with_capacity(rank);
    for i in 0..rank {
        let (x, y) = (at(a, i), at(b, i));
        if x != y && x != 1 && y != 1 {
            return None;
        }
        dims.push(x.max(y));
    }
    Some(Shape::new(&dims))
}

impl<'g> Add for Tensor<'g> {
    type Output = Self;
    #[track_caller]
    fn add(self, o: Self) -> Self {
        self.binary(o, binary::Op::Add)
    }
}
impl<'g> Sub for Tensor<'g> {
    type Output = Self;
    #[track_caller]
    fn sub(self, o: Self) -> Self {
        self.binary(o, binary::Op::Sub)
    }
}
impl<'g> Mul for Tensor<'g> {
    type Output = Self;
    #[track_caller]
    fn mul(self, o: Self) -> Self {
        self.binary(o, binary::Op::Mul)
    }
}
impl<'g> Div for Tensor<'g> {
    type Output = Self;
    #[track_caller]
    fn div(self, o: Self) -> Self {
        self.binary(o, binary::Op::Div)
    }
}
impl<'g> Neg for Tensor<'g> {
    type Output = Self;
    fn neg(self) -> Self {
        self.affine(-1.0, 0.0)
    }
}
impl<'g> Add<f64> for Tensor<'g> {
    type Output = Self;
    fn add(self, o: f64) -> Self {
        self.affine(1.0, o)
    }
}
impl<'g> Sub<f64> for Tensor<'g> {
    type Output = Self;
    fn sub(self, o: f64) -> Self {
        self.affine(1.0, -o)
    }
}
impl<'g> Mul<f64> for Tensor<'g> {
    type Output = Self;
    fn mul(self, o: f64) -> Self {
        self.affine(o, 0.0)
    }
}
impl<'g> Add<Tensor<'g>> for f64 {
    type Output = Tensor<'g>;
    fn add(self, t: Tensor<'g>) -> Tensor<'g> {
        t.affine(1.0, self)
    }
}
impl<'g> Sub<Tensor<'g>> for f64 {
    type Output = Tensor<'g>;
    fn sub(self, t: Tensor<'g>) -> Tensor<'g> {
        t.affine(-1.0, self)
    }
}
impl<'g> Mul<Tensor<'g>> for f64 {
    type Output = Tensor<'g>;
    fn mul(self, t: Tensor<'g>) -> Tensor<'g> {
        t.affine(self, 0.0)
    }
}

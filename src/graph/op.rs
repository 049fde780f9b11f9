//! The closed set of operations. A new variant does not compile until it has its line in the gradient table
//! (grad.rs) and its lowering (plan/lower.rs).

use super::patches::Window;
use crate::kernels::matmul_vec4::Act;
use crate::kernels::{binary, unary};
use crate::values::Shape;

/// What a node computes from its arguments.
#[derive(Clone, PartialEq, Debug)]
pub enum Op {
    /// A trainable parameter, by index into [`Graph::params`](super::Graph).
    Param(usize),
    /// Persistent state, by index; read as it was at the start of the step.
    State(usize),
    /// The same number everywhere.
    Const(f64),
    /// A scheduled scalar of the step row, by index.
    Scalar(usize),
    /// Random numbers, \[samples, batch, …\].
    Random(Draw),
    /// A batch of the resident or streamed data set; args: data, order.
    Batch(Picture),
    /// A batch of the grid of sprites, drawn; args: table, order.
    Sprites,
    /// f(x) element by element, with the two numbers that some functions take.
    Unary(unary::Op, f32, f32),
    /// f(a, b) element by element; both of the node's shape.
    Binary(binary::Op),
    /// The argument repeated along new or size-1 axes, to the node's shape.
    Broadcast,
    /// The same elements in another shape.
    Reshape,
    /// Axes reordered: axis `i` of the result is axis `perm[i]` of the argument.
    Permute(Vec<usize>),
    /// A box of the argument that begins at these indices; the node's shape is its extent.
    Slice(Vec<usize>),
    /// The argument in a larger tensor of zeros, at these indices.
    Pad(Vec<usize>),
    /// scale·Σ over the axes `first .. first + count` (which vanish).
    Sum {
        /// The first axis.
        first: usize,
        /// How many axes.
        count: usize,
        /// What the sum is multiplied by: 1, or 1/terms for a mean.
        scale: f64,
    },
    /// The largest element over the axes `first .. first + count`; has no gradient (detach it).
    Max {
        /// The first axis.
        first: usize,
        /// How many axes.
        count: usize,
    },
    /// 1 at the k largest of each row (the last axis), at a tie the first ones, else 0; the choice has no gradient.
    TopK(Count),
    /// The place of the largest element of each row (the last axis), at a tie the first, as a number; no gradient.
    ArgMax,
    /// Rows by their index; args: a table \[k, d\] or \[books, k, d\], and the index \[…\] or \[…, books\].
    Gather,
    /// The rows of each index added up, in the shape of their table; args: rows \[…, d\], index.
    SegmentSum,
    /// The patches of images, taps outside of them 0; see [`Tensor::unfold`](super::Tensor::unfold).
    Unfold(Window),
    /// Images as sums of patches, the adjoint of the former.
    Fold(Window),
    /// op(A)·op(B), rank 2, or rank 3 with a common leading axis; `ta`, `tb` transpose the last two axes.
    Matmul {
        /// A is stored transposed.
        ta: bool,
        /// B is stored transposed.
        tb: bool,
    },
    /// x below the diagonal of the last two axes, the number times x on it, 0 above.
    Triangle(f64),
    /// X with L X = B, or Lᵀ X = B; args: L \[…, d, d\], of which only the lower triangle is read, and B \[…, d, m\].
    TriangularSolve {
        /// L is transposed.
        transposed: bool,
    },
    /// The lower triangular L with L Lᵀ = A, \[…, d, d\], of which only the lower triangle is read.
    Cholesky,
    /// An LSTM over sequences from 0, h: \[batch, time, units\]; args: a \[batch, time, 4·units\], what the inputs give the
    /// gates i, f, g, o, and W \[units, 4·units\], by which the last h is added. Its first derivative is all it has.
    Lstm,
    /// What [`Op::Lstm`], the argument, keeps of each step for its gradient: \[batch, time, 6·units\].
    LstmTape,
    /// The cotangent of a of an LSTM; args: its tape, Wᵀ, and the cotangent of its h.
    LstmGrad,
    /// x\[b, t\[s, b\], :\]; args: x \[batch, time, d\] and t \[samples, batch\].
    AtTime,
    /// The adjoint of that in x; args: y \[samples, batch, d\] and t.
    Placed,
    /// Two times t1 < t2 of each sequence, \[samples, batch, 2\].
    Jumps(Jumps),
    /// sin and cos of times in so many periods, \[…, 2·periods\].
    Sinusoids(usize),
    /// A batch of pictures that move, \[batch, frames, height, width\]; args: data, order.
    Moving(Picture),
    /// Bernoulli negative log-likelihood of x under logits a: max(a, 0) − a·x + ln(1 + e^−|a|), nats.
    Bce,
    /// KL(N(μ, e^lv) ‖ N(0, 1)) per dimension: ½(μ² + e^lv − lv − 1), nats.
    GaussianKl,
    /// z = μ + e^{lv/2}·ε; μ, lv of ε's shape or of its trailing axes.
    Reparam,
    /// ‖∂h/∂x‖²_F = Σ_j act′(a_bj)² r_j of a dense layer h = act(a), r_j = ‖W_j‖²: \[batch\]; args: h, r.
    JacobianPenalty(Act),
    /// The argument, through which no gradient passes.
    Detach,
    /// The first argument, a scalar y, whose slopes are given: args y, x₁, ∂y/∂x₁, x₂, ∂y/∂x₂, …
    WithGradient,
    /// All arguments, flattened, at fixed places of one flat tensor; see [`Graph::pack`](super::Graph::pack).
    Pack {
        /// Where the flat tensor lives: a path of the Store.
        path: String,
        /// The offset of each argument in elements.
        places: Vec<usize>,
    },
    /// act(op(A)·op(B) + bias + C)·slope′(H): made by fusion. Arguments: A, B, then those of bias, C and H that there are.
    Linear {
        /// A is stored transposed.
        ta: bool,
        /// B is stored transposed.
        tb: bool,
        /// Whether there is a bias.
        bias: bool,
        /// What is applied to each element.
        act: Act,
        /// Whether there is a C, of the shape of the result.
        add: bool,
        /// By whose slope, in terms of its result H, each element is multiplied; of [`Act::None`] it is 1, without H.
        slope: Act,
    },
    /// (σ(a) − x)·scale: made by fusion.
    BceGrad(f32),
}

/// How an op takes part in differentiation; the gradient table refuses the last two by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gradient {
    /// It has a rule.
    Rule,
    /// Its derivative is zero almost everywhere, or it has no arguments.
    Stops,
    /// It is made after differentiation, or no rule is known.
    Refused,
}

/// How many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Count {
    /// So many, at every step.
    Fixed(usize),
    /// A scheduled scalar of the step row, by index, rounded to the nearest whole number.
    Scheduled(usize),
}

/// What numbers are drawn from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distribution {
    /// N(0, 1).
    Normal,
    /// Uniform on (0, 1).
    Uniform,
    /// The whole numbers below this one, at most 2²⁴, all alike.
    Below(usize),
}

/// What is drawn, and what keys it.
#[derive(Clone, PartialEq, Debug)]
pub struct Draw {
    /// The distribution.
    pub of: Distribution,
    /// The Philox stream: the hash of the scope path and the draw's ordinal.
    pub stream: u64,
    /// The noise belongs to the example (evaluation), not to the moment (training).
    pub by_example: bool,
}

/// How two times of a sequence are drawn: t2 − t1 uniform in a range, then t1 among those for which t2 is a time.
#[derive(Clone, PartialEq, Debug)]
pub struct Jumps {
    /// Steps of a sequence, more than every jump.
    pub time: usize,
    /// The usual jumps, from the shortest to the longest.
    pub near: [usize; 2],
    /// Other jumps.
    pub far: [usize; 2],
    /// 2²⁴ times their probability.
    pub far_share: u32,
    /// Steps over which the longest grow from the shortest; 0: they are as long from the start.
    pub grow: u32,
    /// The Philox stream.
    pub stream: u64,
    /// The draws belong to the example (evaluation), not to the moment (training).
    pub by_example: bool,
}

/// How bytes become a batch of reals.
#[derive(Clone, PartialEq, Debug)]
pub struct Picture {
    /// What a byte becomes.
    pub binarise: Binarise,
    /// The Philox stream of the binarisation.
    pub stream: u64,
    /// Binarisation belongs to the example, whatever the mode (evaluation).
    pub by_example: bool,
    /// The data tensor is this batch's own bytes, uploaded for the step; else it is the whole set.
    pub streamed: bool,
}

/// What a byte b becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binarise {
    /// b / 255.
    None,
    /// 1 with probability b / 255, drawn anew at every step.
    Dynamic,
    /// 1 with probability b / 255, drawn once an example.
    Static,
    /// Four bytes are an f32, as it is.
    Real,
}

impl Op {
    /// How the op takes part in differentiation.
    pub fn gradient(&self) -> Gradient {
        use binary::Op as B;
        use unary::Op as U;
        match self {
            Op::Param(_)
            | Op::State(_)
            | Op::Const(_)
            | Op::Scalar(_)
            | Op::Random(_)
            | Op::Batch(_)
            | Op::Sprites
            | Op::Detach => Gradient::Stops,
            Op::Unary(U::Sign | U::Step | U::Inside, ..) | Op::Binary(B::Gt) | Op::TopK(_) | Op::ArgMax => {
                Gradient::Stops
            }
            Op::Jumps(_) | Op::Sinusoids(_) | Op::Moving(_) => Gradient::Stops,
            Op::Max { .. } | Op::Pack { .. } | Op::Linear { .. } | Op::BceGrad(_) => Gradient::Refused,
            // Sequences have a first derivative alone.
            Op::LstmTape | Op::LstmGrad => Gradient::Refused,
            Op::Binary(B::ReluGrad | B::SigmoidGrad | B::TanhGrad) => Gradient::Refused,
            _ => Gradient::Rule,
        }
    }

    /// A short name for messages and tables.
    pub fn name(&self) -> String {
        match self {
            Op::Unary(f, ..) => format!("{f:?}").to_lowercase(),
            Op::Binary(f) => format!("{f:?}").to_lowercase(),
            other => {
                let text = format!("{other:?}");
                text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_lowercase()
            }
        }
    }
}

/// The shape of op(A)·op(B), or why there is none.
pub(super) fn matmul_shape(a: Shape, b: Shape, ta: bool, tb: bool) -> Result<Shape, String> {
    let (r, ok) = (a.rank(), (a.rank() == 2 || a.rank() == 3) && a.rank() == b.rank());
    if !ok || (r == 3 && a[0] != b[0]) {
        return Err("ranks 2 and 2, or 3 and 3 with one leading extent, are multiplied".into());
    }
    let (m, k) = if ta { (a[r - 1], a[r - 2]) } else { (a[r - 2], a[r - 1]) };
    let (kb, n) = if tb { (b[r - 1], b[r - 2]) } else { (b[r - 2], b[r - 1]) };
    if k != kb {
        return Err(format!("inner extents {k} and {kb} differ"));
    }
    Ok(if r == 2 { Shape::new(&[m, n]) } else { Shape::new(&[a[0], m, n]) })
}

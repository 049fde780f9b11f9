//! The arena: nodes in topological order, declarations of parameters, state and scalars, and effects.

use super::op::{Binarise, Distribution, Draw, Op, Picture};
use super::params::{ALIGN, Init, ParamDecl, ParamLayout};
use super::tensor::Tensor;
use crate::values::{DType, Shape};
use std::cell::{Ref, RefCell};

/// One operation and what it makes.
#[derive(Clone, Debug)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// The ids of its arguments, all smaller than its own.
    pub args: Vec<usize>,
    /// The shape of its result.
    pub shape: Shape,
    /// The element type of its result.
    pub dtype: DType,
    /// Which axis is the batch.
    pub batch: Option<usize>,
    /// The scope in which it was made, for tables and messages.
    pub scope: String,
}

/// Persistent state: what a step's own results change, or what the host writes between submits.
#[derive(Clone, PartialEq, Debug)]
pub struct StateDecl {
    /// Its path in the Store.
    pub path: String,
    /// Its shape.
    pub shape: Shape,
    /// Its element type.
    pub dtype: DType,
}

/// A declared state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateId(pub(super) usize);

/// A change of state at the end of a step; all are gated by the step's finite flag.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// state ← value.
    Assign {
        /// Index of the state.
        state: usize,
        /// Node of the value.
        value: usize,
    },
    /// Adam (Kingma & Ba 2015) on one bucket; see shaders/adam.wgsl.
    Adam {
        /// States: weights, first and second moment.
        wmv: [usize; 3],
        /// Node of the packed gradient.
        grad: usize,
        /// Decay of the first moment.
        beta1: f32,
        /// Decay of the second moment.
        beta2: f32,
        /// Added to the root.
        epsilon: f32,
        /// Scalars: learning rate, 1/(1 − β1ᵗ), 1/(1 − β2ᵗ).
        scalars: [usize; 3],
    },
    /// Gradient descent with momentum on one bucket; see shaders/sgd.wgsl.
    Sgd {
        /// States: weights, momentum.
        wu: [usize; 2],
        /// Node of the packed gradient.
        grad: usize,
        /// The momentum factor.
        momentum: f32,
        /// Scalar: learning rate.
        rate: usize,
    },
}

/// The name of the column that says whether a step's effects were left out.
pub const SKIPPED: &str = "skipped";

/// The metrics that a step writes, one row a step.
#[derive(Clone, PartialEq, Debug)]
pub struct LogTable {
    /// The names, in order of the columns.
    pub names: Vec<String>,
    /// Node of the packed scalars.
    pub packed: usize,
}

#[derive(Default, Debug)]
struct Inner {
    nodes: Vec<Node>,
    params: Vec<ParamDecl>,
    states: Vec<StateDecl>,
    scalars: Vec<String>,
    draws: std::collections::HashMap<String, usize>,
    effects: Vec<Effect>,
    log: Option<LogTable>,
    guarded: Vec<usize>,
    scope: String,
}

/// A static compute graph under construction.
#[derive(Default, Debug)]
pub struct Graph {
    inner: RefCell<Inner>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn push(&self, op: Op, args: &[usize], shape: Shape, dtype: DType, batch: Option<usize>) -> Tensor<'_> {
        let mut i = self.inner.borrow_mut();
        let scope = i.scope.clone();
        i.nodes.push(Node { op, args: args.to_vec(), shape, dtype, batch, scope });
        Tensor { graph: self, id: i.nodes.len() - 1 }
    }

    /// A view of the nodes, in topological order.
    pub fn nodes(&self) -> Ref<'_, [Node]> {
        Ref::map(self.inner.borrow(), |i| i.nodes.as_slice())
    }

    /// The declared parameters.
    pub fn params(&self) -> Vec<ParamDecl> {
        self.inner.borrow().params.clone()
    }

    /// The declared states.
    pub fn states(&self) -> Vec<StateDecl> {
        self.inner.borrow().states.clone()
    }

    /// The names of the scheduled scalars, by index.
    pub fn scalars(&self) -> Vec<String> {
        self.inner.borrow().scalars.clone()
    }

    /// The effects, in order of declaration.
    pub fn effects(&self) -> Vec<Effect> {
        self.inner.borrow().effects.clone()
    }

    /// The metrics table, if any.
    pub fn log_table(&self) -> Option<LogTable> {
        self.inner.borrow().log.clone()
    }

    /// Nodes that must be finite before any effect takes place.
    pub fn guarded(&self) -> Vec<usize> {
        self.inner.borrow().guarded.clone()
    }

    /// The handle of a node.
    pub fn tensor(&self, id: usize) -> Tensor<'_> {
        assert!(id < self.inner.borrow().nodes.len(), "no node {id}");
        Tensor { graph: self, id }
    }

    /// Says under which scope the following nodes are made (for tables and messages only).
    pub fn enter(&self, scope: &str) {
        self.inner.borrow_mut().scope = scope.into();
    }

    /// The scope of the last [`Graph::enter`].
    pub fn scope(&self) -> String {
        self.inner.borrow().scope.clone()
    }

    /// The parameter of that path, declared at its first use. Panics when a second use asks for another shape.
    #[track_caller]
    pub fn param(&self, path: &str, shape: Shape, init: Init) -> Tensor<'_> {
        self.param_in_files(path, shape, init, None)
    }

    /// The same of a parameter whose axes have another order in files: [`ParamDecl::axes`].
    #[track_caller]
    pub fn param_in_files(&self, path: &str, shape: Shape, init: Init, axes: Option<[usize; 4]>) -> Tensor<'_> {
        let known = self.inner.borrow().params.iter().position(|p| p.path == path);
        let index = known.unwrap_or_else(|| {
            let mut i = self.inner.borrow_mut();
            i.params.push(ParamDecl { path: path.into(), shape, init, axes });
            i.params.len() - 1
        });
        let declared = self.inner.borrow().params[index].shape;
        assert_eq!(declared, shape, "the parameter {path} was declared with another shape");
        self.push(Op::Param(index), &[], shape, DType::F32, None)
    }

    /// The state of that path, declared at its first use.
    #[track_caller]
    pub fn declare(&self, path: &str, shape: Shape, dtype: DType) -> StateId {
        let mut i = self.inner.borrow_mut();
        let decl = StateDecl { path: path.into(), shape, dtype };
        if let Some(known) = i.states.iter().position(|s| s.path == path) {
            assert_eq!(i.states[known], decl, "the state {path} was declared otherwise");
            return StateId(known);
        }
        i.states.push(decl);
        StateId(i.states.len() - 1)
    }

    /// A state's value at the start of the step; no gradient passes.
    pub fn read(&self, state: StateId) -> Tensor<'_> {
        let d = self.inner.borrow().states[state.0].clone();
        self.push(Op::State(state.0), &[], d.shape, d.dtype, None)
    }

    /// An input that the host writes before a run, by name; see [`exec::run`](crate::exec::run).
    pub fn input(&self, name: &str, dims: &[usize]) -> Tensor<'_> {
        self.read(self.declare(&format!("in/{name}"), Shape::new(dims), DType::F32))
    }

    /// The same number everywhere.
    pub fn constant(&self, value: f64, shape: Shape) -> Tensor<'_> {
        self.push(Op::Const(value), &[], shape, DType::F32, None)
    }

    /// The index of a scheduled scalar in the step row, declared at its first use.
    pub fn scalar_index(&self, name: &str) -> usize {
        let mut i = self.inner.borrow_mut();
        if let Some(known) = i.scalars.iter().position(|s| s == name) {
            return known;
        }
        assert!(i.scalars.len() < crate::kernels::StepRow::SCALARS, "too many scheduled scalars");
        i.scalars.push(name.into());
        i.scalars.len() - 1
    }

    /// A scheduled scalar as a tensor of rank 0.
    pub fn scalar(&self, name: &str) -> Tensor<'_> {
        let index = self.scalar_index(name);
        self.push(Op::Scalar(index), &[], Shape::SCALAR, DType::F32, None)
    }

    /// Random numbers \[samples, batch, …\]; the stream is the hash of `path` and the ordinal of this draw under it.
    pub fn random(&self, path: &str, shape: Shape, of: Distribution, by_example: bool) -> Tensor<'_> {
        assert!(shape.rank() >= 2, "a draw has a sample and a batch axis, not {shape}");
        let draw = Draw { of, stream: self.next_stream(path), by_example };
        self.push(Op::Random(draw), &[], shape, DType::F32, Some(1))
    }

    /// A batch \[batch, …\] of a split of bytes: `data` holds packed bytes, `order` the example of each position.
    #[expect(clippy::too_many_arguments, reason = "each names one fact of the split; a struct would only repeat them")]
    pub fn batch(
        &self,
        data: StateId,
        order: StateId,
        shape: Shape,
        binarise: Binarise,
        split: &str,
        by_example: bool,
        streamed: bool,
    ) -> Tensor<'_> {
        // Keyed by the split alone: evaluation and reconstruction of an example see the same bits.
        let stream = crate::values::stream(&format!("data.binarise.{split}"), 0);
        let (data, order) = (self.read(data), self.read(order));
        let picture = Picture { binarise, stream, by_example, streamed };
        self.push(Op::Batch(picture), &[data.id, order.id], shape, DType::F32, Some(0))
    }

    /// The same batch as pictures that move, \[batch, frames, height, width\]: `still` is a [`Graph::batch`].
    pub fn moving<'g>(&'g self, still: Tensor<'g>, shape: Shape) -> Tensor<'g> {
        let node = self.nodes()[still.id].clone();
        let Op::Batch(picture) = node.op else { panic!("what moves is a batch of pictures, not {}", node.op.name()) };
        self.push(Op::Moving(picture), &node.args, shape, DType::F32, Some(0))
    }

    /// A batch \[batch, 4096\] of the grid of sprites: `table` is [`outlines::table`](crate::kernels::outlines::table), `order`
    /// the place in the grid of each position.
    pub fn sprites(&self, table: StateId, order: StateId, batch: usize) -> Tensor<'_> {
        let shape = Shape::new(&[batch, crate::kernels::sprites::PIXELS]);
        let (table, order) = (self.read(table), self.read(order));
        self.push(Op::Sprites, &[table.id, order.id], shape, DType::F32, Some(0))
    }

    pub(super) fn next_stream(&self, path: &str) -> u64 {
        let mut i = self.inner.borrow_mut();
        let ordinal = i.draws.entry(path.into()).or_default();
        *ordinal += 1;
        crate::values::stream(path, *ordinal - 1)
    }

    /// Places tensors into one flat persistent tensor of `len` elements, zeros between them.
    pub fn pack<'g>(&'g self, path: &str, parts: &[Tensor<'g>], places: Vec<usize>, len: usize) -> Tensor<'g> {
        assert_eq!(parts.len(), places.len(), "one place a part");
        let ids: Vec<usize> = parts.iter().map(|t| t.id).collect();
        let op = Op::Pack { path: path.into(), places };
        self.push(op, &ids, Shape::new(&[len]), DType::F32, None)
    }

    /// The gradients of a bucket's parameters, packed as the bucket is.
    pub fn pack_bucket<'g>(&'g self, layout: &ParamLayout, bucket: usize, grads: &[Tensor<'g>]) -> Tensor<'g> {
        let mine = || layout.places.iter().enumerate().filter(|(_, p)| p.bucket == bucket);
        let parts: Vec<_> = mine().map(|(i, _)| grads[i]).collect();
        let places = mine().map(|(_, p)| p.offset).collect();
        let b = &layout.buckets[bucket];
        self.pack(&format!("grads/{}", b.name), &parts, places, b.len)
    }

    /// state ← value at the end of the step, unless anything about the step is not finite.
    #[track_caller]
    pub fn assign(&self, state: StateId, value: Tensor<'_>) {
        let shape = self.inner.borrow().states[state.0].shape;
        assert_eq!(shape, value.shape(), "assign: shapes differ");
        self.guard(value);
        self.inner.borrow_mut().effects.push(Effect::Assign { state: state.0, value: value.id });
    }

    /// A change of state by a kernel of its own.
    pub fn effect(&self, effect: Effect) {
        self.inner.borrow_mut().effects.push(effect);
    }

    /// A value that must be finite, or no effect of the step takes place.
    pub fn guard(&self, value: Tensor<'_>) {
        self.inner.borrow_mut().guarded.push(value.id);
    }

    /// Logs scalars, one row a step, under these names. A plan with effects adds a last column, [`SKIPPED`]: 1 where the
    /// step's effects were left out.
    pub fn log<'g>(&'g self, columns: &[(String, Tensor<'g>)]) {
        let parts: Vec<_> = columns.iter().map(|c| c.1).collect();
        assert!(parts.iter().all(|t| t.shape().len() == 1), "only scalars are logged");
        let places = (0..parts.len()).map(|i| i * ALIGN).collect();
        // Named by its width: plans of other columns share the Store.
        let path = format!("log/packed/{}", parts.len());
        let packed = self.pack(&path, &parts, places, parts.len() * ALIGN);
        let names = columns.iter().map(|c| c.0.clone()).collect();
        self.inner.borrow_mut().log = Some(LogTable { names, packed: packed.id });
    }
}

impl StateId {
    /// The state's index, as effects name it.
    pub fn index(self) -> usize {
        self.0
    }
}

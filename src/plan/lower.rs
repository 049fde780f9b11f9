//! Lowering: every node becomes one dispatch, or nothing (reshapes, foldable broadcasts, values placed where they are
//! needed), then effects, then memory.

mod effects;
mod passes;
mod sums;

use super::group::{self, Unit, schedule};
use super::memory::{self, Temp};
use super::pair::{Pair, pairs};
use super::rewrite::{Ir, rewrite};
use super::{Buffer, Dispatch, LOG_ROWS, Log, Plan, StoreRef, View, fuse, halve, split, validate};
use crate::graph::{Binarise, Count, Distribution, Effect, Graph, Op, ParamLayout, Place, SKIPPED, Window};
use crate::kernels::matmul_vec4::Form;
use crate::kernels::{self as k, Call, Params};
use crate::values::{DType, Result, Shape};
use std::collections::BTreeMap;

/// How to compile; the defaults are what `train` uses.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Apply the fusion rules.
    pub fuse: bool,
    /// Compute elementwise nodes and sums of them in common passes.
    pub group: bool,
    /// Let temporaries share buffers.
    pub reuse: bool,
    /// Keep as binary16 what products read.
    pub mixed: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { fuse: true, group: true, reuse: true, mixed: false }
    }
}

/// Invocations of a workgroup of the elementwise kernels.
const WG: u32 = 64;
/// The longest serial run of a reduction; longer ones take several passes.
const RUN: usize = 4096;

/// Compiles what `outputs` (packed tensors), the log and the effects of a graph need, over the buckets of `layout`.
pub fn compile(
    name: &str,
    graph: &Graph,
    outputs: &[crate::graph::Tensor<'_>],
    layout: &ParamLayout,
    options: Options,
) -> Result<Plan> {
    let effects = graph.effects();
    let log = graph.log_table();
    let guarded = if effects.is_empty() { vec![] } else { graph.guarded() };
    let mut roots: Vec<usize> = outputs.iter().map(|t| t.id()).collect();
    roots.extend(log.iter().map(|l| l.packed));
    roots.extend(&guarded);
    let values = effects.iter().map(|e| match e {
        Effect::Assign { value, .. } => *value,
        Effect::Adam { grad, .. } | Effect::Sgd { grad, .. } => *grad,
    });
    roots.extend(values);
    let mut ir = rewrite(&graph.nodes(), &roots);
    if options.fuse {
        ir = fuse::fuse(ir);
    }
    // Ids of the rewritten graph, in the order in which the roots were listed.
    let mut at = ir.roots.clone().into_iter();
    let mut next = |n: usize| at.by_ref().take(n).collect::<Vec<_>>();
    next(outputs.len());
    let packed = next(usize::from(log.is_some())).pop();
    let guarded = next(guarded.len());
    let values = next(effects.len());

    let mut l = Lowering::new(graph, layout, ir);
    l.run(packed, options);
    let mut log = log.map(|t| Log { path: String::new(), names: t.names, rows: LOG_ROWS });
    if let Some(log) = &mut log {
        if !effects.is_empty() {
            log.names.push(SKIPPED.into());
        }
        // Named by its width: plans of other columns share the Store.
        log.path = format!("log/table/{}", log.names.len());
    }
    match (&log, packed) {
        _ if !effects.is_empty() => l.effects(&effects, &values, &guarded, log.as_ref().zip(packed)),
        (Some(log), Some(packed)) => l.log(log, packed),
        _ => {}
    }
    let (slots, live_bytes) = memory::assign(&mut l.dispatches, &l.temps, options.reuse);
    let plan = Plan {
        name: name.into(),
        stores: l.stores,
        slots,
        dispatches: l.dispatches,
        scalars: graph.scalars(),
        log,
        live_bytes,
    };
    validate(&plan)?;
    Ok(plan)
}

/// Where a node's value is.
#[derive(Clone, Copy)]
enum Value {
    /// In memory.
    Here(View),
    /// Of each element of a sum, so many parts that are still to be added.
    Parts(View, usize),
    /// Not made yet: a constant, a scalar, a broadcast; made when something needs it in memory.
    Lazy,
}

struct Lowering<'a> {
    graph: &'a Graph,
    layout: &'a ParamLayout,
    ir: Ir,
    /// For each node, where a pack wants its value.
    wanted: Vec<Option<View>>,
    /// The gradients of a weight and a bias that are made together, and whether one of the two was met.
    pairs: Vec<(Pair, bool)>,
    /// The nodes that stand in memory as binary16.
    halved: Vec<bool>,
    /// The copies of buckets as binary16; none unless the plan is one of mixed precision.
    copies: Option<BTreeMap<usize, View>>,
    values: Vec<Value>,
    dispatches: Vec<Dispatch>,
    stores: Vec<StoreRef>,
    temps: Vec<Temp>,
}

impl<'a> Lowering<'a> {
    fn new(graph: &'a Graph, layout: &'a ParamLayout, ir: Ir) -> Self {
        let n = ir.nodes.len();
        Self {
            graph,
            layout,
            ir,
            wanted: vec![None; n],
            pairs: vec![],
            halved: vec![false; n],
            copies: None,
            values: vec![Value::Lazy; n],
            dispatches: vec![],
            stores: vec![],
            temps: vec![],
        }
    }

    fn run(&mut self, metrics: Option<usize>, options: Options) {
        let live = self.ir.live();
        self.place_packs(&live);
        if options.mixed {
            (self.halved, self.copies) = (halve::halved(&self.ir), Some(BTreeMap::new()));
        }
        if options.fuse {
            let mut pairs = pairs(&self.ir, &live, &self.wanted, RUN);
            // That kernel reads f32.
            pairs.retain(|pair| !self.halved[group::source(&self.ir, self.ir.nodes[pair.product].args[1])]);
            self.pairs = pairs.into_iter().map(|pair| (pair, false)).collect();
        }
        let units = schedule(&self.ir, metrics, options.group);
        for t in units.iter().filter_map(|u| if let Unit::Scalars(t, _) = u { Some(t) } else { None }) {
            // No buffer is read and written at once: what it reads stands elsewhere than among the metrics.
            for arg in self.ir.nodes[t.pack].args.clone() {
                let source = group::source(&self.ir, arg);
                self.wanted[source] = None;
            }
        }
        for unit in units {
            match unit {
                Unit::Node(id) => self.node(id),
                Unit::Map(group, assembled) => self.map(&group, assembled),
                Unit::Scalars(tally, program) => self.scalars(&tally, program),
            }
        }
    }

    /// A value that only a pack reads is computed at its place in the pack.
    fn place_packs(&mut self, live: &[bool]) {
        let uses = self.ir.uses();
        for id in (0..self.ir.nodes.len()).filter(|&id| live[id]) {
            let Op::Pack { path, places } = self.ir.nodes[id].op.clone() else { continue };
            let store = self.scratch(&path, DType::F32, self.ir.nodes[id].shape.len());
            for (&arg, place) in self.ir.nodes[id].args.clone().iter().zip(places) {
                // Through reshapes, as long as each is read once.
                let mut source = arg;
                while self.ir.nodes[source].op == Op::Reshape && uses[source] == 1 {
                    source = self.ir.nodes[source].args[0];
                }
                let node = &self.ir.nodes[source];
                let alias = matches!(node.op, Op::Param(_) | Op::State(_) | Op::Reshape | Op::Pack { .. });
                if uses[source] == 1 && !alias {
                    self.wanted[source] = Some(range(store, place, node.shape.len(), DType::F32));
                }
            }
        }
    }

    fn node(&mut self, id: usize) {
        if let Some(at) = self.pairs.iter().position(|(pair, _)| pair.product == id || pair.sum == id) {
            // Both are there as soon as the second is.
            let (pair, one) = self.pairs[at];
            self.pairs[at].1 = true;
            if one {
                self.weight_grad(pair);
            }
            return;
        }
        let n = self.ir.nodes[id].clone();
        let len = n.shape.len();
        let (kernel, consts, params, args): (&str, Vec<u32>, Vec<u32>, Vec<View>) = match &n.op {
            Op::Const(_) | Op::Scalar(_) | Op::Broadcast => {
                // Made on demand; at once where a pack waits for it.
                if self.wanted[id].is_some() {
                    self.here(id);
                }
                return;
            }
            Op::Param(p) => return self.param(id, &self.graph.params()[*p].path),
            Op::State(s) => {
                let d = &self.graph.states()[*s];
                let store = self.persistent(&d.path, d.dtype, d.shape.len());
                self.values[id] = Value::Here(View { dtype: d.dtype, ..range(store, 0, len, d.dtype) });
                return;
            }
            Op::Reshape => unreachable!("another name of its argument"),
            Op::Pack { path, places } => return self.pack(id, &path.clone(), places),
            Op::Detach | Op::WithGradient => unreachable!("rewritten away"),
            Op::Random(d) => {
                let (samples, batch) = (n.shape[0], n.shape[1]);
                let (op, bound) = match d.of {
                    Distribution::Normal => (k::random::Op::Normal, 0),
                    Distribution::Uniform => (k::random::Op::Unit, 0),
                    Distribution::Below(n) => (k::random::Op::Below, n as u32),
                };
                let p = k::random::RandomParams {
                    samples: samples as u32,
                    batch: batch as u32,
                    inner: (len / samples / batch) as u32,
                    stream_lo: d.stream as u32,
                    stream_hi: (d.stream >> 32) as u32,
                    by_example: d.by_example.into(),
                    bound,
                };
                ("random", vec![op as u32, WG], p.words(), vec![])
            }
            Op::Batch(b) => {
                let p = k::batch::BatchParams {
                    batch: n.shape[0] as u32,
                    inner: (len / n.shape[0]) as u32,
                    streamed: b.streamed.into(),
                    stream_lo: b.stream as u32,
                    stream_hi: (b.stream >> 32) as u32,
                    by_example: b.by_example.into(),
                };
                let op = match b.binarise {
                    Binarise::None => k::batch::Op::None,
                    Binarise::Dynamic => k::batch::Op::Dynamic,
                    Binarise::Static => k::batch::Op::Static,
                    Binarise::Real => k::batch::Op::Real,
                };
                ("batch", vec![op as u32, WG], p.words(), self.all(&n.args))
            }
            Op::Moving(m) => {
                let [batch, frames, height, width] = [0, 1, 2, 3].map(|axis| n.shape[axis] as u32);
                let p = k::moving::MovingParams {
                    batch,
                    frames,
                    height,
                    width,
                    streamed: m.streamed.into(),
                    stream_lo: m.stream as u32,
                    stream_hi: (m.stream >> 32) as u32,
                    by_example: m.by_example.into(),
                };
                let op = match m.binarise {
                    Binarise::Dynamic => k::batch::Op::Dynamic,
                    Binarise::Static => k::batch::Op::Static,
                    Binarise::None | Binarise::Real => k::batch::Op::None,
                };
                ("moving", vec![op as u32, WG], p.words(), self.all(&n.args))
            }
            Op::Sprites => {
                let p = k::sprites::SpritesParams { batch: n.shape[0] as u32 };
                ("sprites", vec![WG], p.words(), self.all(&n.args))
            }
            Op::Unary(f, alpha, beta) => {
                let p = k::unary::UnaryParams { n: len as u32, alpha: *alpha, beta: *beta };
                ("unary", vec![*f as u32, WG], p.words(), self.all(&n.args))
            }
            Op::Binary(f) => {
                let (a, a_div, a_mod) = self.repeated(n.args[0], n.shape);
                let (b, b_div, b_mod) = self.repeated(n.args[1], n.shape);
                let p = k::binary::BinaryParams { n: len as u32, a_div, a_mod, b_div, b_mod };
                ("binary", vec![*f as u32, WG], p.words(), vec![a, b])
            }
            Op::Permute(perm) => {
                let strides = self.ir.nodes[n.args[0]].shape.strides();
                let strides: Vec<i64> = perm.iter().map(|&p| strides[p] as i64).collect();
                self.copy(&n.shape, &strides, 0, &vec![0; n.shape.rank()], n.shape.dims(), n.args[0])
            }
            Op::Slice(start) => {
                let strides = self.ir.nodes[n.args[0]].shape.strides();
                let offset: usize = start.iter().zip(strides).map(|(a, s)| a * s).sum();
                let strides: Vec<i64> = strides[..start.len()].iter().map(|&s| s as i64).collect();
                self.copy(&n.shape, &strides, offset as i64, &vec![0; start.len()], n.shape.dims(), n.args[0])
            }
            Op::Pad(start) => {
                let from = self.ir.nodes[n.args[0]].shape;
                let strides: Vec<i64> = from.strides()[..from.rank()].iter().map(|&s| s as i64).collect();
                let offset: i64 = start.iter().zip(&strides).map(|(&a, s)| -(a as i64) * s).sum();
                let end: Vec<usize> = start.iter().zip(from.dims()).map(|(a, d)| a + d).collect();
                self.copy(&n.shape, &strides, offset, start, &end, n.args[0])
            }
            Op::Sum { first, count, scale } => {
                return self.reduce(id, k::reduce::Op::Sum, *first, *count, *scale as f32);
            }
            Op::Max { first, count } => return self.reduce(id, k::reduce::Op::Max, *first, *count, 1.0),
            Op::TopK(count) => {
                let d = n.shape.last();
                let (op, k, index) = match *count {
                    Count::Fixed(k) => (k::top_k::Op::Const, k, 0),
                    Count::Scheduled(index) => (k::top_k::Op::Scalar, 0, index),
                };
                let [rows, cols, k, index] = [len / d, d, k, index].map(|v| v as u32);
                let p = k::top_k::TopKParams { n: rows, d: cols, k, index };
                ("top_k", vec![op as u32, k::top_k::workgroup(d)], p.words(), self.all(&n.args))
            }
            Op::ArgMax => {
                let d = self.ir.nodes[n.args[0]].shape.last();
                let p = k::argmax::ArgMaxParams { n: len as u32, d: d as u32 };
                ("argmax", vec![WG], p.words(), self.all(&n.args))
            }
            Op::Gather => {
                let (table, d) = (self.ir.nodes[n.args[0]].shape, n.shape.last());
                let [books, k, _] = books(table);
                let [rows, d, k, books] = [len / d, d, k, books].map(|v| v as u32);
                let p = k::gather::GatherParams { n: rows, d, k, books };
                ("gather", vec![WG], p.words(), self.all(&n.args))
            }
            Op::SegmentSum => return self.segment_sum(id),
            Op::Unfold(window) => {
                let depth = self.ir.nodes[n.args[0]].shape.last();
                self.patches(k::patches::Op::Unfold, window, len, depth, n.args[0])
            }
            Op::Fold(window) => self.patches(k::patches::Op::Fold, window, len, n.shape.last(), n.args[0]),
            Op::Matmul { ta: true, tb: false } if let Some(run) = split::run(&self.ir, id) => {
                return self.product_in_runs(id, run);
            }
            Op::Matmul { ta, tb } => self.matmul(id, Form::product(*ta, *tb)),
            &Op::Linear { ta, tb, bias, act, add, slope } => {
                self.matmul(id, Form { bias, act, add, slope, ..Form::product(ta, tb) })
            }
            Op::Triangle(scale) => {
                let p = k::triangle::TriangleParams { n: len as u32, d: n.shape.last() as u32, scale: *scale as f32 };
                ("triangle", vec![WG], p.words(), self.all(&n.args))
            }
            Op::TriangularSolve { transposed } => {
                let (d, m) = (self.ir.nodes[n.args[0]].shape.last(), n.shape.last());
                let [columns, d, m] = [len / d, d, m].map(|v| v as u32);
                let p = k::triangular_solve::TriangularSolveParams { n: columns, d, m };
                ("triangular_solve", vec![(*transposed).into(), WG], p.words(), self.all(&n.args))
            }
            Op::Cholesky => {
                let d = n.shape.last();
                let p = k::cholesky::CholeskyParams { n: (len / (d * d)) as u32, d: d as u32 };
                ("cholesky", vec![WG], p.words(), self.all(&n.args))
            }
            Op::Lstm => return self.lstm(id),
            Op::LstmTape => return,
            Op::LstmGrad => {
                let h = self.ir.nodes[n.args[2]].shape;
                ("lstm_grad", vec![WG], lstm_params(h).words(), self.all(&n.args))
            }
            Op::AtTime | Op::Placed => {
                let gather = n.op == Op::AtTime;
                let (x, y) = if gather {
                    (self.ir.nodes[n.args[0]].shape, n.shape)
                } else {
                    (n.shape, self.ir.nodes[n.args[0]].shape)
                };
                let [samples, n_rows, time, d] = [y[0], x[0], x[1], x[2]].map(|v| v as u32);
                let p = k::at_time::AtTimeParams { samples, n: n_rows, time, d };
                let op = if gather { k::at_time::Op::Gather } else { k::at_time::Op::Scatter };
                ("at_time", vec![op as u32, WG], p.words(), self.all(&n.args))
            }
            Op::Jumps(j) => {
                let [samples, rows, time] = [n.shape[0], n.shape[1], j.time].map(|v| v as u32);
                let ([near_lo, near_hi], [far_lo, far_hi]) = (j.near.map(|v| v as u32), j.far.map(|v| v as u32));
                let p = k::jumps::JumpsParams {
                    samples,
                    n: rows,
                    time,
                    near_lo,
                    near_hi,
                    far_lo,
                    far_hi,
                    far: j.far_share,
                    stream_lo: j.stream as u32,
                    stream_hi: (j.stream >> 32) as u32,
                    by_example: j.by_example.into(),
                    grow: j.grow,
                };
                ("jumps", vec![WG], p.words(), vec![])
            }
            Op::Sinusoids(periods) => {
                let p = k::sinusoids::SinusoidsParams { n: (len / (2 * periods)) as u32, periods: *periods as u32 };
                ("sinusoids", vec![WG], p.words(), self.all(&n.args))
            }
            Op::Bce => {
                let p = k::bce::BceParams { n: len as u32, scale: 1.0 };
                ("bce", vec![k::bce::Op::Loss as u32, WG], p.words(), self.all(&n.args))
            }
            Op::BceGrad(scale) => {
                let p = k::bce::BceParams { n: len as u32, scale: *scale };
                ("bce", vec![k::bce::Op::Grad as u32, WG], p.words(), self.all(&n.args))
            }
            Op::GaussianKl => {
                let p = k::gaussian_kl::GaussianKlParams { n: len as u32 };
                ("gaussian_kl", vec![WG], p.words(), self.all(&n.args))
            }
            Op::JacobianPenalty(act) => {
                let (rows, units) = (len, self.ir.nodes[n.args[1]].shape.len());
                let p = k::jacobian_penalty::JacobianPenaltyParams { n: rows as u32, d: units as u32 };
                ("jacobian_penalty", vec![*act as u32, WG], p.words(), self.all(&n.args))
            }
            Op::Reparam => {
                let m = self.ir.nodes[n.args[0]].shape.len();
                let p = k::reparam::ReparamParams { n: len as u32, m: m as u32 };
                ("reparam", vec![WG], p.words(), self.all(&n.args))
            }
        };
        let out = self.target(id);
        self.emit(kernel, consts, params, args, vec![out], &n.scope);
        self.values[id] = Value::Here(out);
    }

    /// The recurrence, and with it what its gradient needs, where something needs that.
    fn lstm(&mut self, id: usize) {
        let (n, live) = (self.ir.nodes[id].clone(), self.ir.live());
        let tape = (id..live.len())
            .find(|&t| live[t] && self.ir.nodes[t].op == Op::LstmTape && self.ir.nodes[t].args[0] == id);
        let (ins, h) = (self.all(&n.args), self.target(id));
        // A binding must be there even where the kernel does not write it.
        let kept = if let Some(t) = tape { self.target(t) } else { self.temp(DType::F32, 1) };
        self.emit("lstm", vec![tape.is_some().into(), WG], lstm_params(n.shape).words(), ins, vec![h, kept], &n.scope);
        self.values[id] = Value::Here(h);
        if let Some(t) = tape {
            self.values[t] = Value::Here(kept);
        }
    }

    /// Where a node's value goes: its place in a pack, or a new temporary.
    fn target(&mut self, id: usize) -> View {
        let len = self.ir.nodes[id].shape.len();
        let halved = self.halved[id];
        self.wanted[id]
            .unwrap_or_else(|| if halved { self.temp(DType::U32, len / 2) } else { self.temp(DType::F32, len) })
    }

    fn temp(&mut self, dtype: DType, len: usize) -> View {
        self.temps.push(Temp { dtype, len });
        let value = self.temps.len() - 1;
        View { buffer: Buffer::Slot(value), offset: 0, len, dtype, value }
    }

    fn store(&mut self, path: &str, dtype: DType, len: usize, scratch: bool) -> usize {
        if let Some(known) = self.stores.iter().position(|s| s.path == path) {
            assert_eq!((self.stores[known].dtype, self.stores[known].len), (dtype, len), "store {path}");
            return known;
        }
        self.stores.push(StoreRef { path: path.into(), dtype, len, scratch });
        self.stores.len() - 1
    }

    fn persistent(&mut self, path: &str, dtype: DType, len: usize) -> usize {
        self.store(path, dtype, len, false)
    }

    fn scratch(&mut self, path: &str, dtype: DType, len: usize) -> usize {
        self.store(path, dtype, len, true)
    }

    fn emit(&mut self, kernel: &str, consts: Vec<u32>, params: Vec<u32>, ins: Vec<View>, outs: Vec<View>, scope: &str) {
        let call = Call { consts, params };
        self.dispatches.push(Dispatch { kernel: k::kernel(kernel), call, ins, outs, scope: scope.into() });
    }

    fn all(&mut self, ids: &[usize]) -> Vec<View> {
        ids.iter().map(|&id| self.here(id)).collect()
    }

    /// The value in memory, made now if nothing needed it before.
    fn here(&mut self, id: usize) -> View {
        let id = group::source(&self.ir, id);
        match self.values[id] {
            Value::Here(v) => return v,
            Value::Parts(x, parts) => return self.sum_up(id, k::reduce::Op::Sum, x, [x.len / parts, parts, 1], 1.0),
            Value::Lazy => {}
        }
        let n = self.ir.nodes[id].clone();
        let out = self.target(id);
        match n.op {
            Op::Const(c) => self.fill(k::fill::Op::Const, c as f32, 0, out, &n.scope),
            Op::Scalar(index) => self.fill(k::fill::Op::Scalar, 0.0, index as u32, out, &n.scope),
            Op::Broadcast => {
                let from = self.ir.nodes[n.args[0]].shape;
                let shift = n.shape.rank() - from.rank();
                let strides: Vec<i64> =
                    (0..n.shape.rank())
                        .map(|i| {
                            if i >= shift && from[i - shift] == n.shape[i] {
                                from.strides()[i - shift] as i64
                            } else {
                                0
                            }
                        })
                        .collect();
                let lo = vec![0; n.shape.rank()];
                let (kernel, consts, params, args) = self.copy(&n.shape, &strides, 0, &lo, n.shape.dims(), n.args[0]);
                self.emit(kernel, consts, params, args, vec![out], &n.scope);
            }
            op => unreachable!("{} is lowered before it is read", op.name()),
        }
        self.values[id] = Value::Here(out);
        out
    }

    fn fill(&mut self, op: k::fill::Op, value: f32, index: u32, out: View, scope: &str) {
        let p = k::fill::FillParams { n: out.len as u32, value, index };
        self.emit("fill", vec![op as u32, WG], p.words(), vec![], vec![out], scope);
    }

    fn copy(
        &mut self,
        shape: &Shape,
        strides: &[i64],
        offset: i64,
        lo: &[usize],
        hi: &[usize],
        arg: usize,
    ) -> (&'static str, Vec<u32>, Vec<u32>, Vec<View>) {
        let p = k::copy::CopyParams::new(shape.dims(), strides, offset, lo, hi);
        ("copy", vec![WG], p.words(), vec![self.here(arg)])
    }

    fn patches(
        &mut self,
        op: k::patches::Op,
        window: &Window,
        n: usize,
        channels: usize,
        arg: usize,
    ) -> (&'static str, Vec<u32>, Vec<u32>, Vec<View>) {
        let two = |v: [usize; 2]| v.map(|v| v as u32);
        let ([h, w], [oh, ow], [kh, kw]) = (two(window.image), two(window.patches), two(window.kernel));
        let ([sy, sx], [py, px]) = (two(window.stride), two(window.before));
        let (n, c) = (n as u32, channels as u32);
        let p = k::patches::PatchesParams { n, h, w, c, oh, ow, kh, kw, sy, sx, py, px };
        ("patches", vec![op as u32, WG], p.words(), vec![self.here(arg)])
    }

    /// An operand of a binary kernel: where it is, and the (div, mod) by which its index follows the result's.
    fn repeated(&mut self, id: usize, shape: Shape) -> (View, u32, u32) {
        let whole = (1, shape.len() as u32);
        let n = &self.ir.nodes[id];
        let folded = match n.op {
            // Made before: it is in memory at full size.
            _ if matches!(self.values[id], Value::Here(_)) => None,
            Op::Broadcast => div_mod(self.ir.nodes[n.args[0]].shape, shape).map(|dm| (n.args[0], dm)),
            _ => None,
        };
        let (id, (div, modulus)) = folded.unwrap_or((id, whole));
        (self.here(id), div, modulus)
    }

    fn param(&mut self, id: usize, path: &str) {
        let (place, len) = (self.place(path), self.ir.nodes[id].shape.len());
        self.values[id] = Value::Here(View { offset: place.offset, len, ..self.bucket(place.bucket) });
    }

    fn place(&self, path: &str) -> Place {
        let index = self.layout.find(path).unwrap_or_else(|| panic!("no parameter {path} in the layout"));
        self.layout.places[index]
    }

    fn bucket(&mut self, bucket: usize) -> View {
        let len = self.layout.buckets[bucket].len;
        let store = self.persistent(&self.layout.path(bucket), DType::F32, len);
        range(store, 0, len, DType::F32)
    }

    /// A weight as binary16, in a copy of all of its bucket that the first product makes; `None` for what is no weight, and in
    /// a plan of f32.
    fn weight_copy(&mut self, id: usize) -> Option<View> {
        let id = group::source(&self.ir, id);
        let Op::Param(p) = self.ir.nodes[id].op else { return None };
        let place = self.place(&self.graph.params()[p].path);
        let copy = match self.copies.as_ref()?.get(&place.bucket) {
            Some(copy) => *copy,
            None => {
                let from = self.bucket(place.bucket);
                let (to, p) = (self.temp(DType::U32, from.len / 2), k::half::HalfParams { n: from.len as u32 });
                self.emit("half", vec![WG], p.words(), vec![from], vec![to], "weights");
                self.copies.as_mut()?.insert(place.bucket, to);
                to
            }
        };
        let len = self.ir.nodes[id].shape.len().div_ceil(2);
        Some(View { offset: place.offset / 2, len, ..copy })
    }

    fn pack(&mut self, id: usize, path: &str, places: &[usize]) {
        let n = self.ir.nodes[id].clone();
        let store = self.scratch(path, DType::F32, n.shape.len());
        for (&arg, &place) in n.args.iter().zip(places) {
            let from = self.here(arg);
            let to = range(store, place, from.len, DType::F32);
            if from != to {
                let p = k::copy::CopyParams::new(&[from.len], &[1], 0, &[0], &[from.len]);
                self.emit("copy", vec![WG], p.words(), vec![from], vec![to], &n.scope);
            }
        }
        self.values[id] = Value::Here(range(store, 0, n.shape.len(), DType::F32));
    }
}

/// \[books, k, d\] of a table \[k, d\] or \[books, k, d\].
fn books(table: Shape) -> [usize; 3] {
    let r = table.rank();
    [table.len() / (table[r - 2] * table[r - 1]), table[r - 2], table[r - 1]]
}

fn range(store: usize, offset: usize, len: usize, dtype: DType) -> View {
    View { buffer: Buffer::Store(store), offset, len, dtype, value: usize::MAX }
}

/// Of an LSTM with h of this shape.
fn lstm_params(h: Shape) -> k::lstm::LstmParams {
    let [n, time, units] = [h[0], h[1], h[2]].map(|v| v as u32);
    k::lstm::LstmParams { n, time, units }
}

/// The (div, mod) for which (i / div) % mod runs through a tensor of shape `from` as i runs through `to`: where what
/// is kept are neighbouring axes.
pub(super) fn div_mod(from: Shape, to: Shape) -> Option<(u32, u32)> {
    let shift = to.rank() - from.rank();
    let kept = |i: usize| i >= shift && from[i - shift] == to[i];
    let matter: Vec<usize> = (0..to.rank()).filter(|&i| to[i] > 1).collect();
    let keeps: Vec<usize> = matter.iter().copied().filter(|&i| kept(i)).collect();
    let (Some(&first), Some(&last)) = (keeps.first(), keeps.last()) else { return Some((1, 1)) };
    if matter.iter().any(|&i| first < i && i < last && !kept(i)) {
        return None;
    }
    let div: usize = to.dims()[last + 1..].iter().product();
    Some((div as u32, from.len() as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasts_of_neighbouring_axes_fold_into_an_index() {
        let dm = |from: &[usize], to: &[usize]| div_mod(Shape::new(from), Shape::new(to));
        assert_eq!(dm(&[], &[4, 5]), Some((1, 1)));
        assert_eq!(dm(&[5], &[4, 5]), Some((1, 5)));
        assert_eq!(dm(&[4, 1], &[4, 5]), Some((5, 4)));
        assert_eq!(dm(&[3, 1], &[2, 3, 5]), Some((5, 3)));
        assert_eq!(dm(&[2, 1, 5], &[2, 3, 5]), None);
        assert_eq!(dm(&[2, 1, 5], &[2, 1, 5]), Some((1, 10)));
    }
}

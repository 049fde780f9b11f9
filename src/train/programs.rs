//! The plans of a run, built without a device: a training step, evaluation, reconstruction, samples.

use super::phases::{Part, Phase};
use crate::config::{self, Config, Precision, Prior, TdVae};
use crate::data::{Sequence, Stored};
use crate::graph::{
    ALIGN, Binarise, FEATURES, Gradient, Graph, Op, ParamDecl, ParamLayout, SAMPLES, Tensor, grad, vjp,
};
use crate::kernels::outlines;
use crate::models::{self, Level, Loss, Posterior};
use crate::nn::{Mode, Scalars, Scope, jacobian, optim};
use crate::plan::{Options, Plan, compile};
use crate::values::{DType, Result, Shape};

/// A plan and what the host needs to drive it.
#[derive(Clone)]
pub struct Program {
    /// The plan.
    pub plan: Plan,
    /// The scheduled scalars of its step row.
    pub scalars: Scalars,
    /// The unit of what the model reports: `nats`.
    pub unit: &'static str,
}

/// A split as a program sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct SetShape {
    /// `train`, `validation` or `test`.
    pub split: &'static str,
    /// Examples.
    pub examples: usize,
    /// Numbers an example; of sequences, a frame.
    pub features: usize,
    /// Of sequences.
    pub sequence: Option<Sequence>,
    /// The whole split lies on the device; else each batch is uploaded.
    pub resident: bool,
    /// The examples are sprites, drawn on the device from their places in the grid; they are resident.
    pub drawn: bool,
}

impl SetShape {
    /// The Store path of the bytes; of sprites, of the table that they are drawn by.
    pub fn data_path(&self, batch: usize) -> String {
        if self.resident { format!("data/{}", self.split) } else { format!("data/{}/{batch}", self.split) }
    }

    /// The Store path of the order of examples.
    pub fn order_path(&self) -> String {
        format!("order/{}", self.split)
    }

    /// The labels of the split, fed as one more: one 1 a row.
    pub fn labels(&self, classes: usize) -> Self {
        let split = match self.split {
            "train" => "train.labels",
            "validation" => "validation.labels",
            _ => "test.labels",
        };
        Self { split, features: classes, sequence: None, drawn: false, ..self.clone() }
    }

    /// The length of the bytes in words, for batches of `batch` where they are uploaded.
    pub fn data_words(&self, batch: usize) -> usize {
        if self.drawn {
            return outlines::WORDS;
        }
        let rows = if self.resident { self.examples } else { batch };
        (rows * self.bytes()).div_ceil(4)
    }

    /// The bytes of an example.
    fn bytes(&self) -> usize {
        self.sequence.map_or(self.features, |s| s.stored.bytes(s.frames, self.features))
    }

    /// The frames of an example: 1 of one that is no sequence.
    pub fn frames(&self) -> usize {
        self.sequence.map_or(1, |s| s.frames)
    }
}

/// The Store path under which a program leaves what it was run for.
pub fn output_path(what: &str, elements: usize) -> String {
    format!("out/{what}/{elements}")
}

fn output<'g>(graph: &'g Graph, what: &str, t: Tensor<'g>) -> Tensor<'g> {
    graph.pack(&output_path(what, t.len()), &[t], vec![0], t.len())
}

fn batch<'g>(net: &Scope<'g>, c: &Config, set: &SetShape, batch: usize) -> Tensor<'g> {
    let binarise = match c.data.binarise {
        config::Binarise::Dynamic => Binarise::Dynamic,
        config::Binarise::Static => Binarise::Static,
        config::Binarise::None => Binarise::None,
    };
    let Some(Sequence { frames, stored }) = set.sequence else {
        return fed(net, set, batch, set.features, binarise);
    };
    let all = frames * set.features;
    let x = match stored {
        Stored::Bytes => fed(net, set, batch, all, binarise),
        Stored::Reals => fed(net, set, batch, all, Binarise::Real),
        Stored::Moving { width } => {
            let still = fed(net, set, batch, set.features, binarise);
            let shape = Shape::new(&[batch, frames, set.features / width, width]);
            (net / "data").within(|| net.graph().moving(still, shape))
        }
    };
    x.reshape(&[batch, frames, set.features]).with_batch_axis(0)
}

/// The last frame of sequences, or x where it is of none.
fn last_frame(x: Tensor<'_>) -> Tensor<'_> {
    match x.shape().dims() {
        &[batch, time, features] => {
            let last = x.slice(&[0, time - 1, 0], &[batch, 1, features]);
            last.reshape(&[batch, features]).with_batch_axis(0)
        }
        _ => x,
    }
}

/// A batch of a split, of which an example is so many numbers: \[batch, numbers\].
fn fed<'g>(net: &Scope<'g>, set: &SetShape, batch: usize, numbers: usize, binarise: Binarise) -> Tensor<'g> {
    let graph = net.graph();
    let data = graph.declare(&set.data_path(batch), Shape::new(&[set.data_words(batch)]), DType::U32);
    let order = graph.declare(&set.order_path(), Shape::new(&[set.examples]), DType::U32);
    if set.drawn {
        return (net / "data").within(|| graph.sprites(data, order, batch));
    }
    let shape = Shape::new(&[batch, numbers]);
    (net / "data")
        .within(|| graph.batch(data, order, shape, binarise, set.split, net.mode() == Mode::Evaluate, !set.resident))
}

fn columns<'g>(first: &str, loss: &Loss<'g>, total: Tensor<'g>) -> Vec<(String, Tensor<'g>)> {
    let terms = loss.terms.iter().map(|(n, t)| (n.to_string(), *t));
    [(first.to_string(), total)].into_iter().chain(terms).collect()
}

/// The loss of a batch of a split: the model's, or that of a classifier on its code.
fn objective<'g>(net: &Scope<'g>, c: &Config, set: &SetShape, size: usize) -> Loss<'g> {
    let (model, x) = (models::of(&c.model), batch(net, c, set, size));
    if !c.classifier.wanted() {
        net.graph().enter("loss");
        return model.loss(net, x);
    }
    let classes = c.classifier.classes;
    let y = fed(net, &set.labels(classes), size, classes, Binarise::None);
    net.graph().enter("loss");
    models::classifier(model, net, x, y)
}

/// The parameters of a model and their place, for bindings of at most `limit` elements: all together where every step
/// updates all of them, so that one dispatch does, else by group.
pub fn layout(c: &Config, features: usize, limit: usize) -> Result<ParamLayout> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Train);
    let one = |width| graph.constant(0.0, Shape::new(&[1, width])).with_batch_axis(0);
    let model = models::of(&c.model);
    // Of a sequence any length that has the longest jump gives the same parameters.
    let frames = model.sequential().map(|m| m.longest() + 1).or(model.autoregressive().map(Prior::example));
    let x = frames.map_or_else(
        || one(features),
        |frames| graph.constant(0.0, Shape::new(&[1, frames, features])).with_batch_axis(0),
    );
    model.accepts(features)?;
    let whole = c.train.alternate.is_empty() && c.train.pretrain == 0 && !c.classifier.freeze;
    let lay_out = if whole { ParamLayout::together } else { ParamLayout::new };
    if c.classifier.wanted() {
        // Of the encoder what the code is made of: not a variance.
        let loss = models::classifier(model, &net, x, one(c.classifier.classes));
        return lay_out(reached(&graph, loss.total, false), limit);
    }
    model.loss(&net, x);
    lay_out(graph.params(), limit)
}

/// The parameters that a tensor is made of; or those of them that it has a gradient by.
fn reached(graph: &Graph, of: Tensor<'_>, by_gradient: bool) -> Vec<ParamDecl> {
    let nodes = graph.nodes();
    let mut seen = vec![false; nodes.len()];
    seen[of.id()] = true;
    for id in (0..=of.id()).rev() {
        if seen[id] && !(by_gradient && matches!(nodes[id].op.gradient(), Gradient::Stops)) {
            nodes[id].args.iter().for_each(|&arg| seen[arg] = true);
        }
    }
    let used = |p: usize| nodes.iter().zip(&seen).any(|(node, &seen)| seen && node.op == Op::Param(p));
    graph.params().into_iter().enumerate().filter(|(p, _)| used(*p)).map(|(_, param)| param).collect()
}

/// One training step: batch, forward, backward, optimizer, as a phase has it. Of what it does not update there is no
/// gradient.
pub fn train(c: &Config, set: &SetShape, layout: &ParamLayout, options: Options, phase: Phase) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Train);
    let (total, unit, columns) = match phase.part {
        Part::Layer(layer) => {
            let x = batch(&net, c, set, c.train.batch);
            graph.enter("loss");
            let loss = models::of(&c.model).layer_loss(&net, x, layer).expect("a phase of a layer has its loss");
            (loss, "", vec![("loss".to_string(), loss)])
        }
        _ => {
            let loss = objective(&net, c, set, c.train.batch);
            (loss.total, loss.unit, columns("loss", &loss, loss.total))
        }
    };
    graph.log(&columns);
    graph.guard(total);
    // A layer's loss reaches its own parameters alone.
    let own = matches!(phase.part, Part::Layer(_)).then(|| reached(&graph, total, true));
    let updated = |p: &&ParamDecl| phase.part.updates(p.group()) && own.as_ref().is_none_or(|own| own.contains(p));
    let params: Vec<Tensor<'_>> =
        layout.params.iter().filter(updated).map(|p| graph.param(&p.path, p.shape, p.init)).collect();
    graph.enter("backward");
    let mut grads = grad(total, &params).into_iter();
    let grads: Vec<Option<Tensor<'_>>> =
        layout.params.iter().map(|p| updated(&p).then(|| grads.next()).flatten()).collect();
    optim::update_some(&net, &c.optimizer, layout, &grads, phase.clock);
    let mixed = options.mixed || c.train.precision == Precision::Mixed;
    let plan = compile("train", &graph, &[], layout, Options { mixed, ..options })?;
    Ok(Program { plan, scalars: net.scalars(), unit })
}

/// Evaluation of batches of `size` examples: what the model reports, and its terms.
pub fn evaluate(c: &Config, set: &SetShape, size: usize, layout: &ParamLayout) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let loss = objective(&net, c, set, size);
    graph.log(&columns(loss.headline, &loss, loss.reported));
    let plan = compile("evaluate", &graph, &[], layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: loss.unit })
}

/// A batch of `n` examples of a split, its codes, and what the model makes of them.
pub fn reconstruct(c: &Config, set: &SetShape, n: usize, layout: &ParamLayout) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let x = batch(&net, c, set, n);
    let z = models::of(&c.model).encode(&net, x);
    let y = models::of(&c.model).decode(&net, z, set.features);
    let outputs = [("inputs", last_frame(x)), ("codes", z), ("pictures", y)].map(|(what, t)| output(&graph, what, t));
    let plan = compile("reconstruct", &graph, &outputs, layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: "" })
}

/// The codes of a batch of `n` examples of a split.
pub fn encode(c: &Config, set: &SetShape, n: usize, layout: &ParamLayout) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let z = models::of(&c.model).encode(&net, batch(&net, c, set, n));
    let plan = compile("encode", &graph, &[output(&graph, "codes", z)], layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: "" })
}

/// A batch of `n` examples of a split, as the model sees it.
pub fn inputs(c: &Config, set: &SetShape, n: usize, layout: &ParamLayout) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let x = batch(&net, c, set, n);
    let plan = compile("inputs", &graph, &[output(&graph, "inputs", x)], layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: "" })
}

/// ln Σₛ wₛ over `samples` importance samples of each of the `n` examples that [`inputs`] left; None where the model has no
/// densities.
pub fn log_weights(
    c: &Config,
    set: &SetShape,
    n: usize,
    samples: usize,
    layout: &ParamLayout,
) -> Result<Option<Program>> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let shape = Shape::new(&[n, set.features]);
    let x = graph.read(graph.declare(&output_path("inputs", shape.len()), shape, DType::F32)).with_batch_axis(0);
    let Some(weights) = models::of(&c.model).log_weights(&net, x, samples) else { return Ok(None) };
    let sum = weights.logsumexp(SAMPLES);
    let plan = compile("log_weights", &graph, &[output(&graph, "log_weights", sum)], layout, Options::default())?;
    Ok(Some(Program { plan, scalars: net.scalars(), unit: "" }))
}

/// The means and log-variances of q(z | x) of a batch of `n` examples of a split; None where it is no Gaussian of diagonal
/// covariance.
pub fn posteriors(c: &Config, set: &SetShape, n: usize, layout: &ParamLayout) -> Result<Option<Program>> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let q = models::of(&c.model).posterior(&net, batch(&net, c, set, n));
    let Some(Posterior::Diagonal(q)) = q else { return Ok(None) };
    let outputs = [("means", q.mean), ("log_vars", q.log_var)].map(|(what, t)| output(&graph, what, t));
    let plan = compile("posteriors", &graph, &outputs, layout, Options::default())?;
    Ok(Some(Program { plan, scalars: net.scalars(), unit: "" }))
}

/// ‖J‖²_F of the encoder at each of a batch of `n` examples of a split, J = ∂code/∂x; None where that would take as many
/// backward passes as a wide code has units, or the code is discrete.
pub fn jacobians(c: &Config, set: &SetShape, n: usize, layout: &ParamLayout) -> Result<Option<Program>> {
    /// Rows of J at a time.
    const BLOCK: usize = 32;
    /// The widest code of which every unit has a backward pass of its own.
    const WIDEST: usize = 64;
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let x = batch(&net, c, set, n);
    let model = models::of(&c.model);
    let units = model.code_len(set.features);
    if !model.levels(set.features).is_empty() {
        return Ok(None);
    }
    let norms = match (model.jacobian(&net, x), model.encoder_layers(&net, x)) {
        (Some(norms), _) => norms,
        (None, Some(layers)) if layers.len() == 1 => jacobian::closed_form(&layers[0]),
        (None, Some(layers)) => jacobian::exact(&layers, BLOCK),
        (None, None) if units <= WIDEST => {
            let code = model.encode(&net, x);
            let identity = graph.constant(1.0, Shape::new(&[units])).diagonal_matrix();
            let row = |k: usize| {
                let unit = identity.slice(&[k, 0], &[1, units]).broadcast(code.shape()).with_batch_axis(0);
                vjp(&[code], &[unit], &[x])[0].with_batch_axis(0).square().sum(FEATURES)
            };
            (0..units).map(row).reduce(|sum, row| sum + row).expect("a code has units")
        }
        (None, None) => return Ok(None),
    };
    let plan = compile("jacobians", &graph, &[output(&graph, "jacobians", norms)], layout, Options::default())?;
    Ok(Some(Program { plan, scalars: net.scalars(), unit: "" }))
}

/// The discrete codes of a batch of `n` examples of a split. Panics where the code is real.
pub fn indices(c: &Config, set: &SetShape, n: usize, layout: &ParamLayout) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let index = models::of(&c.model).indices(&net, batch(&net, c, set, n)).expect("a model of discrete codes");
    let plan = compile("indices", &graph, &[output(&graph, "indices", index)], layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: "" })
}

/// One round of what puts a model's own state where it begins, on a batch as training sees it.
pub fn begin(c: &Config, set: &SetShape, layout: &ParamLayout) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Train);
    models::of(&c.model).round(&net, batch(&net, c, set, c.train.batch));
    let plan = compile("begin", &graph, &[], layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: "" })
}

/// `n` codes from the prior, and their pictures; None where the model has no prior.
pub fn sample(c: &Config, n: usize, features: usize, layout: &ParamLayout) -> Result<Option<Program>> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let Some(z) = models::of(&c.model).prior(&net, n) else { return Ok(None) };
    let y = models::of(&c.model).decode(&net, z, features);
    let plan = compile("sample", &graph, &[output(&graph, "pictures", y)], layout, Options::default())?;
    Ok(Some(Program { plan, scalars: net.scalars(), unit: "" }))
}

/// The Store path of the `n` codes that [`decode`] reads.
pub fn codes_path(n: usize) -> String {
    format!("in/codes/{n}")
}

/// The pictures of `n` discrete codes that the host wrote. Panics where the code is real.
pub fn decode_indices(c: &Config, n: usize, features: usize, layout: &ParamLayout) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let model = models::of(&c.model);
    let codes: usize = model.levels(features).iter().map(Level::codes).sum();
    let index = graph.read(graph.declare(&indices_path(n), Shape::new(&[n, codes]), DType::F32)).with_batch_axis(0);
    let z = model.embed(&net, index, features).expect("a model of discrete codes");
    let y = model.decode(&net, z, features);
    let plan = compile("decode", &graph, &[output(&graph, "pictures", y)], layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: "" })
}

/// The Store path of the `n` discrete codes that [`decode_indices`] reads.
pub fn indices_path(n: usize) -> String {
    format!("in/indices/{n}")
}

/// The pictures of `n` codes that the host wrote.
pub fn decode(c: &Config, n: usize, features: usize, layout: &ParamLayout) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let shape = Shape::new(&[n, models::of(&c.model).code_len(features)]);
    let z = graph.read(graph.declare(&codes_path(n), shape, DType::F32)).with_batch_axis(0);
    let y = models::of(&c.model).decode(&net, z, features);
    let plan = compile("decode", &graph, &[output(&graph, "pictures", y)], layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: "" })
}

/// The sequences of a batch of `n` examples: \[n, frames, features\].
pub fn frames(c: &Config, set: &SetShape, n: usize, layout: &ParamLayout) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let x = batch(&net, c, set, n);
    let plan = compile("frames", &graph, &[output(&graph, "frames", x)], layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: "" })
}

/// What a model of sequences expects after the first `given` frames: the last of these as it sees it, and a frame after each
/// of the jumps: \[1 + jumps, n, features\].
pub fn rollout(
    c: &Config,
    model: &TdVae,
    set: &SetShape,
    n: usize,
    layout: &ParamLayout,
    (given, jumps): (usize, &[usize]),
) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let frames = model.rollout(&net, batch(&net, c, set, n), given, jumps);
    let each = n * set.features;
    // Places of a pack begin where a binding can.
    let places = (0..frames.len()).map(|i| i * each.next_multiple_of(ALIGN)).collect();
    let len = frames.len() * each.next_multiple_of(ALIGN);
    let out = graph.pack(&output_path("rollout", len), &frames, places, len);
    let plan = compile("rollout", &graph, &[out], layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: "" })
}

/// The belief of a model of sequences at a time, of a batch of `n` examples: \[n, units\].
pub fn belief(
    c: &Config,
    model: &TdVae,
    set: &SetShape,
    n: usize,
    layout: &ParamLayout,
    time: usize,
) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let b = model.belief_at(&net, batch(&net, c, set, n), time);
    let plan = compile("belief", &graph, &[output(&graph, "belief", b)], layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: "" })
}

/// −ln p of a frame after a jump of each of these lengths, of batches of `size` examples: nats.
pub fn jump_nll(
    c: &Config,
    model: &TdVae,
    set: &SetShape,
    size: usize,
    layout: &ParamLayout,
    jumps: &[usize],
) -> Result<Program> {
    /// Draws of z a frame.
    const SAMPLES: usize = 16;
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let x = batch(&net, c, set, size);
    let of = |&jump: &usize| (format!("jump {jump}"), model.jump_nll(&net, x, jump, SAMPLES));
    let columns: Vec<_> = jumps.iter().map(of).collect();
    graph.log(&columns);
    let plan = compile("jumps", &graph, &[], layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: "nats" })
}

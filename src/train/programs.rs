//! The plans of a run, built without a device: a training step, evaluation, reconstruction, samples.

use super::phases::{Part, Phase};
use crate::config::{self, Config};
use crate::graph::{Binarise, FEATURES, Gradient, Graph, Op, ParamDecl, ParamLayout, SAMPLES, Tensor, grad, vjp};
use crate::kernels::outlines;
use crate::models::{self, Loss, Posterior};
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
    /// Numbers an example.
    pub features: usize,
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
        Self { split, features: classes, drawn: false, ..self.clone() }
    }

    /// The length of the bytes in words, for batches of `batch` where they are uploaded.
    pub fn data_words(&self, batch: usize) -> usize {
        if self.drawn {
            return outlines::WORDS;
        }
        let rows = if self.resident { self.examples } else { batch };
        (rows * self.features).div_ceil(4)
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
    fed(net, set, batch, binarise)
}

fn fed<'g>(net: &Scope<'g>, set: &SetShape, batch: usize, binarise: Binarise) -> Tensor<'g> {
    let graph = net.graph();
    let data = graph.declare(&set.data_path(batch), Shape::new(&[set.data_words(batch)]), DType::U32);
    let order = graph.declare(&set.order_path(), Shape::new(&[set.examples]), DType::U32);
    if set.drawn {
        return (net / "data").within(|| graph.sprites(data, order, batch));
    }
    let shape = Shape::new(&[batch, set.features]);
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
    let y = fed(net, &set.labels(c.classifier.classes), size, Binarise::None);
    net.graph().enter("loss");
    models::classifier(model, net, x, y)
}

/// The parameters of a model and their place, for bindings of at most `limit` elements: all together where every step
/// updates all of them, so that one dispatch does, else by group.
pub fn layout(c: &Config, features: usize, limit: usize) -> Result<ParamLayout> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Train);
    let one = |width| graph.constant(0.0, Shape::new(&[1, width])).with_batch_axis(0);
    let (model, x) = (models::of(&c.model), one(features));
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
    let plan = compile("train", &graph, &[], layout, options)?;
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
    let outputs = [("inputs", x), ("codes", z), ("pictures", y)].map(|(what, t)| output(&graph, what, t));
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
/// backward passes as a wide code has units.
pub fn jacobians(c: &Config, set: &SetShape, n: usize, layout: &ParamLayout) -> Result<Option<Program>> {
    /// Rows of J at a time.
    const BLOCK: usize = 32;
    /// The widest code of which every unit has a backward pass of its own.
    const WIDEST: usize = 64;
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let x = batch(&net, c, set, n);
    let model = models::of(&c.model);
    let norms = match model.encoder_layers(&net, x) {
        Some(layers) if layers.len() == 1 => jacobian::closed_form(&layers[0]),
        Some(layers) => jacobian::exact(&layers, BLOCK),
        None if model.latent() <= WIDEST => {
            let code = model.encode(&net, x);
            let units = graph.constant(1.0, Shape::new(&[model.latent()])).diagonal_matrix();
            let row = |k: usize| {
                let unit = units.slice(&[k, 0], &[1, model.latent()]).broadcast(code.shape()).with_batch_axis(0);
                vjp(&[code], &[unit], &[x])[0].square().sum(FEATURES)
            };
            (0..model.latent()).map(row).reduce(|sum, row| sum + row).expect("a code has units")
        }
        None => return Ok(None),
    };
    let plan = compile("jacobians", &graph, &[output(&graph, "jacobians", norms)], layout, Options::default())?;
    Ok(Some(Program { plan, scalars: net.scalars(), unit: "" }))
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

/// The pictures of `n` codes that the host wrote.
pub fn decode(c: &Config, n: usize, features: usize, layout: &ParamLayout) -> Result<Program> {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let shape = Shape::new(&[n, models::of(&c.model).latent()]);
    let z = graph.read(graph.declare(&codes_path(n), shape, DType::F32)).with_batch_axis(0);
    let y = models::of(&c.model).decode(&net, z, features);
    let plan = compile("decode", &graph, &[output(&graph, "pictures", y)], layout, Options::default())?;
    Ok(Program { plan, scalars: net.scalars(), unit: "" })
}

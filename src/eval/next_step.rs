//! An LSTM that predicts the next value of a series, and is rolled out by what it predicts: what a model that jumps is
//! measured beside.

use crate::config::{Adam, Optimizer, Schedule};
use crate::data::Split;
use crate::exec::{Executor, PlanId};
use crate::graph::{Axes, Graph, ParamLayout, Tensor, grad};
use crate::kernels::StepRow;
use crate::nn::{Mode, Scalars, Scope, linear, lstm, optim};
use crate::plan::{Options, Plan, compile};
use crate::values::{DType, Result};

/// Sequences a step, and steps of training.
const BATCH: usize = 64;
const STEPS: usize = 1000;

/// A trained one: x_{t+1} ≈ w·h_t + b, by the squared error.
pub struct NextStep {
    exec: Box<dyn Executor>,
    layout: ParamLayout,
    frames: usize,
    units: usize,
}

/// The predictions of x, [batch, frames]: the next value at every time.
fn predicted<'g>(net: &Scope<'g>, x: Tensor<'g>, units: usize) -> Tensor<'g> {
    let (batch, frames) = (x.shape()[0], x.shape()[1]);
    let h = lstm(&(net / "lstm"), x.reshape(&[batch, frames, 1]).with_batch_axis(0), units);
    linear(&(net / "output"), h, 1).reshape(&[batch, frames])
}

/// The values of a split of f32.
fn series(split: &Split, i: usize) -> Vec<f32> {
    split.image(i).chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

impl NextStep {
    /// Trains one of so many units on sequences of so many f32.
    pub fn train(mut exec: Box<dyn Executor>, data: &Split, frames: usize, units: usize) -> Result<Self> {
        let graph = Graph::new();
        let net = Scope::root(&graph, Mode::Train);
        let x = graph.input("series", &[BATCH, frames]);
        let y = predicted(&net, x, units);
        let box_ = [BATCH, frames - 1];
        let loss = (y.slice(&[0, 0], &box_) - x.slice(&[0, 1], &box_)).square().mean(Axes::All);
        let layout = ParamLayout::together(graph.params(), exec.info().binding_elements)?;
        let params: Vec<Tensor<'_>> = layout.params.iter().map(|p| graph.param(&p.path, p.shape, p.init)).collect();
        let adam = Adam { learning_rate: Schedule::Constant(3e-3), clip: 1.0, ..Adam::default() };
        optim::update(&net, &Optimizer::Adam(adam.clone()), &layout, &grad(loss, &params));
        graph.guard(loss);
        let plan = compile("next step", &graph, &[], &layout, Options::default())?;
        let scalars = net.scalars();
        for (i, bucket) in layout.buckets.iter().enumerate() {
            exec.create(&layout.path(i), DType::F32, bucket.len)?;
            exec.write(&layout.path(i), 0, &layout.initial(i, 1))?;
        }
        let id = loaded(&mut *exec, &plan)?;
        for step in 0..STEPS {
            let first = step * BATCH;
            let batch: Vec<f32> = (first..first + BATCH).flat_map(|i| series(data, i % data.len())).collect();
            exec.write("in/series", 0, &batch.into())?;
            let ticket = exec.submit(id, &[row(&scalars, step)])?;
            exec.fetch(ticket)?;
        }
        Ok(Self { exec, layout, frames, units })
    }

    /// What it makes of the first `given` values of each series, rolled out by `steps`: each prediction is read as the next
    /// value.
    pub fn continued(&mut self, series: &[f32], given: usize, steps: usize) -> Result<Vec<Vec<f32>>> {
        let n = series.len() / self.frames;
        let graph = Graph::new();
        let net = Scope::root(&graph, Mode::Evaluate);
        let y = predicted(&net, graph.input("given", &[n, self.frames]), self.units);
        let out = graph.pack("out/next", &[y], vec![0], y.len());
        let plan = compile("continued", &graph, &[out], &self.layout, Options::default())?;
        let id = loaded(&mut *self.exec, &plan)?;
        let mut x = series.to_vec();
        let mut made = vec![Vec::with_capacity(steps); n];
        for t in given..given + steps {
            self.exec.write("in/given", 0, &x.clone().into())?;
            let ticket = self.exec.submit(id, &[row(&net.scalars(), 0)])?;
            self.exec.fetch(ticket)?;
            let y = self.exec.read("out/next")?;
            for (e, made) in made.iter_mut().enumerate() {
                let next = y.f32()[e * self.frames + t - 1];
                made.push(next);
                x[e * self.frames + t] = next;
            }
        }
        Ok(made)
    }
}

/// Makes what a plan needs, zeros where there is nothing yet, and loads it.
fn loaded(exec: &mut dyn Executor, plan: &Plan) -> Result<PlanId> {
    for s in plan.stores.iter().filter(|s| !s.scratch && !s.path.starts_with("params/")) {
        exec.create(&s.path, s.dtype, s.len)?;
    }
    exec.load(plan)
}

fn row(scalars: &Scalars, step: usize) -> StepRow {
    let mut row = StepRow::new(step as u32, 0, 0, 1);
    scalars.fill(&mut row, step as u64);
    row
}

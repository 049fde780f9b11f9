//! An LSTM that predicts the next value of a series, and is rolled out by what it predicts: what a model that jumps is
//! measured beside.

use crate::config::{Adam, Optimizer, Schedule};
use crate::data::Split;
use crate::exec::{Executor, PlanId};
use crate::graph::{Axes, Graph, ParamLayout, Tensor, grad};
use crate::kernels::StepRow;
use crate::nn::{Mode, Scalars, Scope, linear, lstm, lstm_step, optim, state_path};
use crate::plan::{Options, Plan, compile};
use crate::train::batches;
use crate::values::{DType, Result};

/// Sequences whose states are made at once.
const ROWS: usize = 64;

/// A trained one: x_{t+1} ≈ w·h_t + b, by the squared error.
pub struct NextStep {
    exec: Box<dyn Executor>,
    layout: ParamLayout,
    frames: usize,
    units: usize,
}

/// h at every time, of x \[batch, frames\]: \[batch, frames, units\].
fn states<'g>(net: &Scope<'g>, x: Tensor<'g>, units: usize) -> Tensor<'g> {
    lstm(&(net / "lstm"), x.reshape(&[x.shape()[0], x.shape()[1], 1]).with_batch_axis(0), units)
}

/// The values of a series of a split of f32.
fn series(split: &Split, i: usize) -> Vec<f32> {
    split.image(i).chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

impl NextStep {
    /// Trains one of so many units on sequences of so many f32, for so many steps of a batch.
    pub fn train(
        mut exec: Box<dyn Executor>,
        data: &Split,
        [frames, units]: [usize; 2],
        [steps, batch]: [usize; 2],
        seed: u64,
    ) -> Result<Self> {
        let graph = Graph::new();
        let net = Scope::root(&graph, Mode::Train);
        let x = graph.input("series", &[batch, frames]);
        let y = linear(&(&net / "output"), states(&net, x, units), 1).reshape(&[batch, frames]);
        let box_ = [batch, frames - 1];
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
            exec.write(&layout.path(i), 0, &layout.initial(i, seed))?;
        }
        let id = loaded(&mut *exec, &plan)?;
        for step in 0..steps {
            let first = step * batch;
            let values: Vec<f32> = (first..first + batch).flat_map(|i| series(data, i % data.len())).collect();
            exec.write("in/series", 0, &values.into())?;
            let ticket = exec.submit(id, &[row(&scalars, step)])?;
            exec.fetch(ticket)?;
        }
        Ok(Self { exec, layout, frames, units })
    }

    /// h at a time of every series of a split: n·units numbers.
    pub fn states(&mut self, data: &Split, time: usize) -> Result<Vec<f32>> {
        let mut all = Vec::with_capacity(data.len() * self.units);
        for (n, firsts) in batches(data.len(), ROWS) {
            let graph = Graph::new();
            let x = graph.input(&format!("series.{n}"), &[n, self.frames]);
            let h = states(&Scope::root(&graph, Mode::Evaluate), x, self.units);
            let h = h.slice(&[0, time, 0], &[n, 1, self.units]);
            let path = format!("out/state.{n}");
            let out = graph.pack(&path, &[h], vec![0], h.len());
            let plan = compile("states", &graph, &[out], &self.layout, Options::default())?;
            let id = loaded(&mut *self.exec, &plan)?;
            for first in firsts {
                let x: Vec<f32> = (first..first + n).flat_map(|i| series(data, i)).collect();
                self.exec.write(&format!("in/series.{n}"), 0, &x.into())?;
                let ticket = self.exec.submit(id, &[StepRow::new(0, 0, 0, 1)])?;
                self.exec.fetch(ticket)?;
                all.extend(self.exec.read(&path)?.f32());
            }
        }
        Ok(all)
    }

    /// What it makes of the first `given` values of each series, rolled out by `steps`: each prediction is read as the next
    /// value. The state stays on the device from step to step, so that a step costs the same however long the series is.
    pub fn continued(&mut self, series: &[f32], given: usize, steps: usize) -> Result<Vec<Vec<f32>>> {
        let (n, units) = (series.len() / self.frames, self.units);
        let graph = Graph::new();
        let net = Scope::root(&graph, Mode::Evaluate);
        let state = ["h", "c"].map(|name| (&net / "rollout").state(name, &[n, units]));
        let x = graph.input("value", &[n]).reshape(&[n, 1]);
        let (h, c) = lstm_step(&(&net / "lstm"), x, (graph.read(state[0]), graph.read(state[1])));
        state.into_iter().zip([h, c]).for_each(|(state, new)| graph.assign(state, new));
        let y = linear(&(&net / "output"), h, 1).reshape(&[n]);
        let out = graph.pack("out/next", &[y], vec![0], n);
        let plan = compile("continued", &graph, &[out], &self.layout, Options::default())?;
        let id = loaded(&mut *self.exec, &plan)?;
        for name in ["h", "c"] {
            self.exec.write(&state_path(&format!("rollout.{name}")), 0, &vec![0.0f32; n * units].into())?;
        }
        let mut made = vec![Vec::with_capacity(steps); n];
        for t in 0..given + steps - 1 {
            let last = |e: usize| if t < given { series[e * self.frames + t] } else { made[e][t - given] };
            let x: Vec<f32> = (0..n).map(last).collect();
            self.exec.write("in/value", 0, &x.into())?;
            let ticket = self.exec.submit(id, &[row(&net.scalars(), t)])?;
            self.exec.fetch(ticket)?;
            if t + 1 >= given {
                let y = self.exec.read("out/next")?;
                made.iter_mut().zip(y.f32()).for_each(|(made, &y)| made.push(y));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Choice, open};

    /// Sines of any phase go on as they were; a step at a time is the whole sequence.
    #[test]
    fn a_series_is_continued_as_it_went() {
        let (n, frames, given, steps) = (256, 30, 20, 10);
        let sine = |i: usize, t: usize| (0.6 * t as f64 + i as f64 * 1.7).sin() as f32;
        let series: Vec<f32> = (0..n * frames).map(|k| sine(k / frames, k % frames)).collect();
        let data = Split::stored(series.iter().flat_map(|x| x.to_le_bytes()).collect(), vec![], 4 * frames);
        let mut next = NextStep::train(open(&Choice::Cpu).unwrap(), &data, [frames, 12], [1000, 64], 1).unwrap();
        let made = next.continued(&series, given, steps).unwrap();
        let mut worst = 0.0f32;
        for (e, made) in made.iter().enumerate() {
            assert_eq!(made.len(), steps);
            made.iter().enumerate().for_each(|(k, y)| worst = worst.max((y - sine(e, given + k)).abs()));
        }
        assert!(worst < 0.2, "{worst}");
        assert_eq!(next.continued(&series, given, steps).unwrap(), made, "it begins anew");
    }
}

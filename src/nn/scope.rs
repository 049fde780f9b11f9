//! [`Scope`]: a path under which a model declares parameters, draws noise and reads schedules.

use super::Clock;
use crate::config::Schedule;
use crate::graph::{Count, Distribution, Graph, Init, StateId, Tensor};
use crate::kernels::StepRow;
use crate::values::{DType, Shape};
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::Div;
use std::rc::Rc;

/// What the graph is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Noise belongs to the moment.
    Train,
    /// Noise belongs to the example, whatever the batch: two evaluations agree.
    Evaluate,
}

/// How a scheduled scalar follows from the step.
#[derive(Clone, PartialEq, Debug)]
enum Rule {
    Schedule(Schedule),
    /// 1/(1 − βᵗ⁺¹), after t updates: Adam's correction of a moment that began at 0.
    Correction(f64, Clock),
}

/// The scheduled scalars of a graph: computed in f64 on the host, one row a step.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Scalars {
    rules: Vec<(usize, Rule)>,
}

impl Scalars {
    /// Writes the scalars of `step` into a row.
    pub fn fill(&self, row: &mut StepRow, step: u64) {
        for (index, rule) in &self.rules {
            let value = match rule {
                Rule::Schedule(s) => s.at(step),
                Rule::Correction(beta, clock) => 1.0 / (1.0 - beta.powf((clock.before(step) + 1) as f64)),
            };
            row.scalars[*index] = value as f32;
        }
    }

    fn add(&mut self, index: usize, rule: Rule) {
        if !self.rules.iter().any(|(i, _)| *i == index) {
            self.rules.push((index, rule));
        }
    }
}

/// The Store path of the state of that path; see [`Scope::state`].
pub fn state_path(path: &str) -> String {
    format!("state/{path}")
}

/// A path in a graph. `&net / "encoder"` is the scope below.
#[derive(Clone)]
pub struct Scope<'g> {
    graph: &'g Graph,
    path: String,
    mode: Mode,
    scalars: Rc<RefCell<Scalars>>,
}

impl<'g> Scope<'g> {
    /// The root scope of a graph.
    pub fn root(graph: &'g Graph, mode: Mode) -> Self {
        Self { graph, path: String::new(), mode, scalars: Rc::default() }
    }

    /// The graph.
    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    /// What the graph is for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The scheduled scalars that were declared under the root.
    pub fn scalars(&self) -> Scalars {
        self.scalars.borrow().clone()
    }

    fn name(&self, leaf: &str) -> String {
        if self.path.is_empty() { leaf.into() } else { format!("{}.{leaf}", self.path) }
    }

    /// What `f` makes is labelled with this path, in tables and messages.
    #[track_caller]
    pub fn within<T>(&self, f: impl FnOnce() -> T) -> T {
        let outer = self.graph.scope();
        self.graph.enter(&self.path);
        let made = f();
        self.graph.enter(&outer);
        made
    }

    /// A parameter under this path.
    #[track_caller]
    pub fn param(&self, name: &str, dims: &[usize], init: Init) -> Tensor<'g> {
        self.graph.param(&self.name(name), Shape::new(dims), init)
    }

    /// A parameter of four axes, of which axis i of a file is `axes[i]`.
    #[track_caller]
    pub fn param_in_files(&self, name: &str, dims: [usize; 4], init: Init, axes: [usize; 4]) -> Tensor<'g> {
        self.graph.param_in_files(&self.name(name), Shape::new(&dims), init, Some(axes))
    }

    /// A number that may follow a schedule; a constant one is a constant of the graph.
    pub fn scalar(&self, name: &str, schedule: &Schedule) -> Tensor<'g> {
        match schedule {
            Schedule::Constant(c) => self.graph.constant(*c, Shape::SCALAR),
            _ => {
                let name = self.name(name);
                let t = self.graph.scalar(&name);
                self.scalars.borrow_mut().add(self.graph.scalar_index(&name), Rule::Schedule(schedule.clone()));
                t
            }
        }
    }

    /// The index, in the step row, of a number that may follow a schedule.
    pub fn scalar_index(&self, name: &str, schedule: &Schedule) -> usize {
        let index = self.graph.scalar_index(&self.name(name));
        self.scalars.borrow_mut().add(index, Rule::Schedule(schedule.clone()));
        index
    }

    /// The index, in the step row, of 1/(1 − βᵗ) at the t-th step.
    pub fn correction_index(&self, name: &str, beta: f64) -> usize {
        self.correction_index_by(name, beta, Clock::EVERY)
    }

    /// The same at the t-th of a clock's steps.
    pub fn correction_index_by(&self, name: &str, beta: f64, clock: Clock) -> usize {
        let index = self.graph.scalar_index(&self.name(name));
        self.scalars.borrow_mut().add(index, Rule::Correction(beta, clock));
        index
    }

    /// Random signs, −1 or 1 with probability ½ each, \[samples, batch, …\].
    pub fn signs(&self, dims: &[usize]) -> Tensor<'g> {
        // A uniform number is never ½, and its distance from it is exact: the signs are the same on every device.
        let noise = self.uniform(dims);
        self.within(|| (noise - 0.5).sign())
    }

    /// A whole number that may follow a schedule, rounded at each step.
    pub fn count(&self, name: &str, schedule: &Schedule) -> Count {
        match schedule {
            Schedule::Constant(c) => Count::Fixed(c.round() as usize),
            _ => Count::Scheduled(self.scalar_index(name, schedule)),
        }
    }

    /// 1/(1 − βᵗ) at the t-th step, as a tensor of rank 0.
    pub fn correction(&self, name: &str, beta: f64) -> Tensor<'g> {
        self.correction_index(name, beta);
        self.graph.scalar(&self.name(name))
    }

    /// State under this path, for [`Graph::read`] and [`Graph::assign`]: zeros at first.
    #[track_caller]
    pub fn state(&self, name: &str, dims: &[usize]) -> StateId {
        self.graph.declare(&state_path(&self.name(name)), Shape::new(dims), DType::F32)
    }

    /// Noise uniform in (0, 1), \[samples, batch, …\].
    pub fn uniform(&self, dims: &[usize]) -> Tensor<'g> {
        self.draw(dims, Distribution::Uniform)
    }

    /// Standard normal noise \[samples, batch, …\].
    pub fn normal(&self, dims: &[usize]) -> Tensor<'g> {
        self.draw(dims, Distribution::Normal)
    }

    /// Whole numbers below n, at most 2²⁴, all alike, \[samples, batch, …\]: the same on every device.
    #[track_caller]
    pub fn below(&self, dims: &[usize], n: usize) -> Tensor<'g> {
        assert!((1..=1 << 24).contains(&n), "numbers below {n} are drawn");
        self.draw(dims, Distribution::Below(n))
    }

    fn draw(&self, dims: &[usize], of: Distribution) -> Tensor<'g> {
        let by_example = self.mode == Mode::Evaluate;
        self.within(|| self.graph.random(&self.path, Shape::new(dims), of, by_example))
    }
}

impl<'g, D: Display> Div<D> for &Scope<'g> {
    type Output = Scope<'g>;
    fn div(self, child: D) -> Scope<'g> {
        Scope { path: self.name(&child.to_string()), ..self.clone() }
    }
}

impl<'g, D: Display> Div<D> for Scope<'g> {
    type Output = Scope<'g>;
    fn div(self, child: D) -> Scope<'g> {
        &self / child
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_follow_schedules_and_corrections() {
        let g = Graph::new();
        let net = Scope::root(&g, Mode::Train);
        let ramp = Schedule::Linear { from: 0.0, to: 1.0, steps: 10, start: 0 };
        let beta = net.scalar_index("beta", &ramp);
        let c = (&net / "optimizer").correction_index("c1", 0.9);
        let mut row = StepRow::new(5, 0, 0, 1);
        net.scalars().fill(&mut row, 5);
        assert!((row.scalars[beta] - 0.5).abs() < 1e-7);
        assert!((f64::from(row.scalars[c]) - 1.0 / (1.0 - 0.9f64.powi(6))).abs() < 1e-6);
    }
}

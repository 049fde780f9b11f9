//! A graph run once, tensors in and out: the door for a Rust program that has no run folder in mind.

use super::Executor;
use crate::graph::{Graph, ParamLayout, StateDecl, Tensor};
use crate::kernels::StepRow;
use crate::plan::{Options, compile};
use crate::values::{DType, Error, HostBuf, Result};
use std::collections::HashMap;

/// Runs a graph once on any executor, under seed 0, and returns the values of `outputs`, in order.
///
/// `inputs` are by name. What [`Graph::input`] named must be there where the outputs need it, every [`Graph::scalar`] as
/// one number. A parameter, by its path, may be: else it begins as its declaration says. So may be a declared state, which
/// is else zeros. A run stands for itself: the executor is cleared first, so that it finds no plan, no parameter and no
/// state of an earlier one; what it made stays until the next. Errors: a name that is missing, unknown, or given twice, a
/// value of another type or length, an output of another graph, and whatever the device refuses.
pub fn run(
    executor: &mut dyn Executor,
    graph: &Graph,
    inputs: &[(&str, HostBuf)],
    outputs: &[Tensor<'_>],
) -> Result<Vec<HostBuf>> {
    run_seeded(executor, graph, 0, inputs, outputs)
}

/// [`run`] under a seed: of the draws ([`Graph::random`]), and of the first values of parameters.
pub fn run_seeded(
    executor: &mut dyn Executor,
    graph: &Graph,
    seed: u64,
    inputs: &[(&str, HostBuf)],
    outputs: &[Tensor<'_>],
) -> Result<Vec<HostBuf>> {
    if let Some(i) = outputs.iter().position(|t| !std::ptr::eq(t.graph(), graph)) {
        return Err(Error::usage(format!("output {i} is a tensor of another graph than the one that is run")));
    }
    let layout = ParamLayout::new(graph.params(), executor.info().binding_elements)?;
    let given = Given::new(graph, &layout, inputs)?;
    let mut step = StepRow::new(0, 0, 0, seed);
    for (name, place) in graph.scalars().iter().zip(&mut step.scalars) {
        *place = given.get(name).ok_or_else(|| missing("scalar", name))?.f32()[0];
    }
    let paths: Vec<String> = outputs.iter().enumerate().map(|(i, t)| format!("once/{i}/{}", t.len())).collect();
    let packed: Vec<Tensor<'_>> =
        outputs.iter().zip(&paths).map(|(t, path)| graph.pack(path, &[*t], vec![0], t.len())).collect();
    let plan = compile("once", graph, &packed, &layout, Options::default())?;
    executor.clear();
    for (i, bucket) in layout.buckets.iter().enumerate() {
        executor.create(&layout.path(i), DType::F32, bucket.len)?;
        executor.write(&layout.path(i), 0, &layout.initial(i, seed))?;
    }
    for (param, place) in layout.params.iter().zip(&layout.places) {
        if let Some(value) = given.get(&param.path) {
            executor.write(&layout.path(place.bucket), place.offset, value)?;
        }
    }
    for store in plan.stores.iter().filter(|s| !s.scratch) {
        executor.create(&store.path, store.dtype, store.len)?;
        let input = store.path.strip_prefix("in/");
        match (given.get(input.unwrap_or(&store.path)), input) {
            (Some(value), _) => executor.write(&store.path, 0, value)?,
            (None, Some(name)) => return Err(missing("input", name)),
            (None, None) => {}
        }
    }
    let id = executor.load(&plan)?;
    let ticket = executor.submit(id, &[step])?;
    executor.fetch(ticket)?;
    paths.iter().map(|p| executor.read(p)).collect()
}

fn missing(kind: &str, name: &str) -> Error {
    Error::usage(format!("the graph's {kind} `{name}` was not given"))
}

/// What was given by name, each of the type and length that the graph has.
struct Given<'a>(HashMap<&'a str, &'a HostBuf>);

impl<'a> Given<'a> {
    fn new(graph: &Graph, layout: &ParamLayout, inputs: &'a [(&'a str, HostBuf)]) -> Result<Self> {
        // Each name of the graph: what it is, its type and its length.
        let state = |s: StateDecl| {
            let (kind, name) = s.path.strip_prefix("in/").map_or(("state", s.path.as_str()), |n| ("input", n));
            (kind, name.to_string(), s.dtype, s.shape.len())
        };
        let mut known: Vec<(&str, String, DType, usize)> = graph.states().into_iter().map(state).collect();
        known.extend(graph.scalars().into_iter().map(|name| ("scalar", name, DType::F32, 1)));
        known.extend(layout.params.iter().map(|p| ("parameter", p.path.clone(), DType::F32, p.shape.len())));
        let mut given = HashMap::new();
        for (name, value) in inputs {
            let mut named = known.iter().filter(|(_, known, ..)| known == name);
            let Some((kind, _, dtype, want)) = named.next() else {
                let names: Vec<&str> = known.iter().map(|(_, name, ..)| name.as_str()).collect();
                let has = if names.is_empty() { "no names".into() } else { format!("`{}`", names.join("`, `")) };
                return Err(Error::usage(format!("the graph has no `{name}`; it has {has}")));
            };
            if let Some((other, ..)) = named.next() {
                let why = format!("`{name}` names both the {kind} and the {other} of the graph; rename one of them");
                return Err(Error::usage(why));
            }
            if value.dtype() != *dtype {
                let got = value.dtype();
                return Err(Error::usage(format!("the {kind} `{name}` is given as {got:?}, the graph's is {dtype:?}")));
            }
            if value.len() != *want {
                let got = value.len();
                return Err(Error::usage(format!("the {kind} `{name}` has {got} elements, the graph's has {want}")));
            }
            if given.insert(*name, value).is_some() {
                return Err(Error::usage(format!("the {kind} `{name}` was given twice")));
            }
        }
        Ok(Self(given))
    }

    fn get(&self, name: &str) -> Option<&'a HostBuf> {
        self.0.get(name).copied()
    }
}

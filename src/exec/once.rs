//! A graph run once, tensors in and out: the door for a Rust program that has no run folder in mind.

use super::Executor;
use crate::graph::{Graph, ParamLayout, Tensor};
use crate::kernels::StepRow;
use crate::plan::{Options, compile};
use crate::values::{DType, Error, HostBuf, Result};

/// Runs a graph once on any executor and returns the values of `outputs`, in order.
///
/// `inputs` are by the names that [`Graph::input`] gave them; all of them must be there. Parameters that the executor
/// does not hold yet begin as their declarations say, under seed 0. Errors: an input that is missing or has another
/// length, and whatever the device refuses.
pub fn run(
    executor: &mut dyn Executor,
    graph: &Graph,
    inputs: &[(&str, HostBuf)],
    outputs: &[Tensor<'_>],
) -> Result<Vec<HostBuf>> {
    let layout = ParamLayout::new(graph.params(), executor.info().binding_elements)?;
    let paths: Vec<String> = outputs.iter().enumerate().map(|(i, t)| format!("once/{i}/{}", t.len())).collect();
    let packed: Vec<Tensor<'_>> =
        outputs.iter().zip(&paths).map(|(t, path)| graph.pack(path, &[*t], vec![0], t.len())).collect();
    let plan = compile("once", graph, &packed, &layout, Options::default())?;
    for (i, bucket) in layout.buckets.iter().enumerate() {
        if executor.stored(&layout.path(i)).is_none() {
            executor.create(&layout.path(i), DType::F32, bucket.len)?;
            executor.write(&layout.path(i), 0, &layout.initial(i, 0))?;
        }
    }
    for store in plan.stores.iter().filter(|s| !s.scratch && !s.path.starts_with("params/")) {
        executor.create(&store.path, store.dtype, store.len)?;
        let Some(name) = store.path.strip_prefix("in/") else { continue };
        let (_, value) = inputs
            .iter()
            .find(|(n, _)| *n == name)
            .ok_or_else(|| Error::usage(format!("the graph's input `{name}` was not given")))?;
        if value.len() != store.len {
            let (got, want) = (value.len(), store.len);
            return Err(Error::usage(format!("the input `{name}` has {got} elements, the graph's has {want}")));
        }
        executor.write(&store.path, 0, value)?;
    }
    let id = executor.load(&plan)?;
    let ticket = executor.submit(id, &[StepRow::new(0, 0, 0, 0)])?;
    executor.fetch(ticket)?;
    paths.iter().map(|p| executor.read(p)).collect()
}

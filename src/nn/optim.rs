//! Optimizers, over the flat buckets of a model: one dispatch a bucket.

use super::Scope;
use crate::config::Optimizer;
use crate::graph::{Effect, ParamLayout, StateId, Tensor};
use crate::values::{DType, Shape};

/// The Store paths of a bucket's optimizer state, after the weights.
pub fn state_paths(o: &Optimizer, bucket: &str) -> Vec<String> {
    let names: &[&str] = match o {
        Optimizer::Adam(_) => &["adam.m", "adam.v"],
        Optimizer::Sgd(_) => &["sgd.u"],
    };
    names.iter().map(|n| format!("{n}/{bucket}")).collect()
}

/// Adds to the graph, for every bucket, the update of its weights by `grads` (one a parameter of the layout).
pub fn update<'g>(net: &Scope<'g>, o: &Optimizer, layout: &ParamLayout, grads: &[Tensor<'g>]) {
    let graph = net.graph();
    let net = net / "optimizer";
    for (i, bucket) in layout.buckets.iter().enumerate() {
        let grad = graph.pack_bucket(layout, i, grads).id();
        let flat = |path: &str| graph.declare(path, Shape::new(&[bucket.len]), DType::F32);
        let weights = flat(&layout.path(i));
        let state: Vec<StateId> = state_paths(o, &bucket.name).iter().map(|p| flat(p)).collect();
        let rate = net.scalar_index("learning_rate", o.learning_rate());
        graph.effect(match o {
            Optimizer::Adam(a) => Effect::Adam {
                wmv: [weights.index(), state[0].index(), state[1].index()],
                grad,
                beta1: a.beta1 as f32,
                beta2: a.beta2 as f32,
                epsilon: a.epsilon as f32,
                scalars: [rate, net.correction_index("c1", a.beta1), net.correction_index("c2", a.beta2)],
            },
            Optimizer::Sgd(s) => {
                Effect::Sgd { wu: [weights.index(), state[0].index()], grad, momentum: s.momentum as f32, rate }
            }
        });
    }
}

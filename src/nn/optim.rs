//! Optimizers, over the flat buckets of a model: one dispatch a bucket.

use super::{Clock, Scope};
use crate::config::Optimizer;
use crate::graph::{Axes, Effect, ParamDecl, ParamLayout, StateId, Tensor};
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
    let grads: Vec<Option<Tensor<'g>>> = grads.iter().copied().map(Some).collect();
    update_some(net, o, layout, &grads, Clock::EVERY);
}

/// The packed gradients of buckets, each times min(1, c/‖g‖) where the norm ‖g‖ over all of them is limited to c > 0
/// (Pascanu et al. 2013, algorithm 1). The square of the norm is guarded: where it is not finite, the step is skipped.
fn clipped<'g>(net: &Scope<'g>, grads: Vec<Tensor<'g>>, limit: f64) -> Vec<Tensor<'g>> {
    if limit == 0.0 {
        return grads;
    }
    net.within(|| {
        // In the gaps between parameters a bucket is 0.
        let square = grads.iter().map(|g| g.square().sum(Axes::All)).reduce(|a, b| a + b);
        let Some(square) = square else { return grads };
        net.graph().guard(square);
        let factor = (square.sqrt().recip() * limit).minimum(net.graph().constant(1.0, Shape::SCALAR));
        grads.into_iter().map(|g| g * factor).collect()
    })
}

/// The same for the buckets of which some parameter has a gradient; one of them without has a gradient of 0. The steps
/// in which this is done are the clock's.
pub fn update_some<'g>(
    net: &Scope<'g>,
    o: &Optimizer,
    layout: &ParamLayout,
    grads: &[Option<Tensor<'g>>],
    clock: Clock,
) {
    let graph = net.graph();
    let net = net / "optimizer";
    let trained = |bucket: usize| layout.places.iter().zip(grads).any(|(p, g)| p.bucket == bucket && g.is_some());
    let zeros = |p: &ParamDecl| graph.constant(0.0, p.shape);
    let buckets: Vec<usize> = (0..layout.buckets.len()).filter(|i| trained(*i)).collect();
    let packed = |&i: &usize| {
        // Of the other buckets nothing is read.
        let all: Vec<_> = layout.params.iter().zip(grads).map(|(p, g)| g.unwrap_or_else(|| zeros(p))).collect();
        graph.pack_bucket(layout, i, &all)
    };
    let packed = clipped(&net, buckets.iter().map(packed).collect(), o.clip());
    for (i, grad) in buckets.into_iter().zip(packed) {
        let (bucket, grad) = (&layout.buckets[i], grad.id());
        let flat = |path: &str| graph.declare(path, Shape::new(&[bucket.len]), DType::F32);
        let weights = flat(&layout.path(i));
        let state: Vec<StateId> = state_paths(o, &bucket.name).iter().map(|p| flat(p)).collect();
        let correction = |name: &str, beta: f64| net.correction_index_by(name, beta, clock);
        let rate = net.scalar_index("learning_rate", o.learning_rate());
        graph.effect(match o {
            Optimizer::Adam(a) => Effect::Adam {
                wmv: [weights.index(), state[0].index(), state[1].index()],
                grad,
                beta1: a.beta1 as f32,
                beta2: a.beta2 as f32,
                epsilon: a.epsilon as f32,
                scalars: [rate, correction("c1", a.beta1), correction("c2", a.beta2)],
            },
            Optimizer::Sgd(s) => {
                Effect::Sgd { wu: [weights.index(), state[0].index()], grad, momentum: s.momentum as f32, rate }
            }
        });
    }
}

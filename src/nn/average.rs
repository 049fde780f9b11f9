//! Averages over steps.

use super::Scope;
use crate::graph::Tensor;

/// r / (1 − decayᵗ) at the t-th step, with r ← decay·r + (1 − decay)·x: the moving average of x, as if there had been
/// no zeros before the first step (Kingma & Ba 2015, §3). r is state, the sum of the past: the gradient in x is
/// (1 − decay) / (1 − decayᵗ), that of the present alone. A skipped step leaves r as it was, and counts in t.
#[track_caller]
pub fn moving_average<'g>(net: &Scope<'g>, x: Tensor<'g>, decay: f64) -> Tensor<'g> {
    let state = net.state("average", x.shape().dims());
    let r = net.graph().read(state) * decay + x * (1.0 - decay);
    net.graph().assign(state, r);
    r * net.correction("correction", decay)
}

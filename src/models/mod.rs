//! F6: models: one file a paper, each a formula. Train, evaluation and sampling build their graphs from the same
//! functions with the same scope paths, so they meet the same weights.

mod vae;

use crate::config::Model;
use crate::graph::Tensor;
use crate::nn::Scope;

/// What a model minimises, and what it tells of it: scalars in nats per example.
pub struct Loss<'g> {
    /// The objective.
    pub total: Tensor<'g>,
    /// What evaluation reports under `headline`: the negative ELBO where the objective weighs its terms otherwise.
    pub reported: Tensor<'g>,
    /// The name of what is reported: `-ELBO`.
    pub headline: &'static str,
    /// The terms, by name.
    pub terms: Vec<(&'static str, Tensor<'g>)>,
}

/// The loss of a batch x: \[batch, features\], values in [0, 1].
pub fn loss<'g>(net: &Scope<'g>, x: Tensor<'g>, model: &Model) -> Loss<'g> {
    match model {
        Model::Vae(c) => vae::loss(net, x, c),
    }
}

/// What the model makes of x when it decodes the mean of its code: \[batch, features\], in [0, 1].
pub fn reconstruct<'g>(net: &Scope<'g>, x: Tensor<'g>, model: &Model) -> Tensor<'g> {
    match model {
        Model::Vae(c) => vae::reconstruct(net, x, c),
    }
}

/// `n` pictures from the prior: \[n, features\], the mean of p(x | z); None where the model has no prior.
pub fn sample<'g>(net: &Scope<'g>, n: usize, features: usize, model: &Model) -> Option<Tensor<'g>> {
    match model {
        Model::Vae(c) => Some(vae::sample(net, n, features, c)),
    }
}

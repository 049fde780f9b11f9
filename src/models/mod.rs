//! F6: models: one file a paper, each a formula. Train, evaluation and sampling build their graphs from the same
//! functions with the same scope paths, so they meet the same weights.

mod ae;
mod vae;

use crate::config::Model;
use crate::graph::Tensor;
use crate::nn::Scope;

/// What a model minimises, and what it tells of it: scalars per example.
pub struct Loss<'g> {
    /// The objective.
    pub total: Tensor<'g>,
    /// What evaluation reports under `headline`: the negative ELBO where the objective weighs its terms otherwise.
    pub reported: Tensor<'g>,
    /// The name of what is reported: `-ELBO`.
    pub headline: &'static str,
    /// Its unit: `nats`.
    pub unit: &'static str,
    /// The terms, by name.
    pub terms: Vec<(&'static str, Tensor<'g>)>,
}

/// The loss of a batch x: \[batch, features\], values in [0, 1].
pub fn loss<'g>(net: &Scope<'g>, x: Tensor<'g>, model: &Model) -> Loss<'g> {
    match model {
        Model::Ae(c) => ae::loss(net, x, c),
        Model::Vae(c) => vae::loss(net, x, c),
    }
}

/// The code of x, or its mean: \[batch, latent\].
pub fn encode<'g>(net: &Scope<'g>, x: Tensor<'g>, model: &Model) -> Tensor<'g> {
    match model {
        Model::Ae(c) => ae::encode(net, x, c),
        Model::Vae(c) => vae::encode(net, x, c),
    }
}

/// What a code stands for: the mean of p(x | z), \[batch, features\], in [0, 1].
pub fn decode<'g>(net: &Scope<'g>, z: Tensor<'g>, features: usize, model: &Model) -> Tensor<'g> {
    match model {
        Model::Ae(c) => ae::decode(net, z, features, c),
        Model::Vae(c) => vae::decode(net, z, features, c),
    }
}

/// `n` codes from the prior: \[n, latent\]; None where the model has none.
pub fn prior<'g>(net: &Scope<'g>, n: usize, model: &Model) -> Option<Tensor<'g>> {
    match model {
        Model::Ae(_) => None,
        Model::Vae(c) => Some((net / "prior").normal(&[1, n, c.latent]).reshape(&[n, c.latent])),
    }
}

/// Dimensions of the code.
pub fn latent(model: &Model) -> usize {
    match model {
        Model::Ae(c) => c.latent,
        Model::Vae(c) => c.latent,
    }
}

/// The layers in a line: `vae 784-400-(20)-400-784`.
pub fn architecture(model: &Model, features: usize) -> String {
    let (kind, hidden) = match model {
        Model::Ae(c) => ("ae", &c.hidden),
        Model::Vae(c) => ("vae", &c.hidden),
    };
    let mut parts = vec![features.to_string()];
    parts.extend(hidden.iter().map(usize::to_string));
    parts.push(format!("({})", latent(model)));
    parts.extend(hidden.iter().rev().map(usize::to_string));
    parts.push(features.to_string());
    format!("{kind} {}", parts.join("-"))
}

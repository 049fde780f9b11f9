//! F6: models: one file a paper, each a formula. Train, evaluation and sampling build their graphs from the same
//! functions with the same scope paths, so they meet the same weights.

mod ae;
mod beta_vae;
mod classifier;
mod contractive;
mod dae;
mod dense;
mod k_sparse;
mod posterior;
mod sparse;
mod vae;
mod variational;

pub use classifier::classifier;
pub use posterior::Posterior;

use crate::config::{Config, Model};
use crate::graph::Tensor;
use crate::nn::{Layer, Scope};
use crate::values::Result;

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

/// A model of the family: what its settings stand for, as formulas over a scope.
pub trait Autoencoder {
    /// The loss of a batch x: \[batch, features\], values in [0, 1].
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g>;

    /// The code of x, or its mean: \[batch, latent\].
    fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g>;

    /// What a code stands for: the mean of p(x | z), \[batch, features\], in [0, 1].
    fn decode<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g>;

    /// `n` codes from the prior: \[n, latent\]; None where the model has none.
    fn prior<'g>(&self, _net: &Scope<'g>, _n: usize) -> Option<Tensor<'g>> {
        None
    }

    /// q(z | x), for a batch x: \[batch, features\]; None where a code is no distribution.
    fn posterior<'g>(&self, _net: &Scope<'g>, _x: Tensor<'g>) -> Option<Posterior<'g>> {
        None
    }

    /// ln w = ln p(x|z) + ln p(z) − ln q(z|x) of `samples` codes z ~ q(z|x) of each x: \[samples, batch\], nats; None where
    /// the model has no such densities.
    fn log_weights<'g>(&self, _net: &Scope<'g>, _x: Tensor<'g>, _samples: usize) -> Option<Tensor<'g>> {
        None
    }

    /// The layers from x to the code, where they are all that the encoder is.
    fn encoder_layers<'g>(&self, _net: &Scope<'g>, _x: Tensor<'g>) -> Option<Vec<Layer<'g>>> {
        None
    }

    /// What the end of a run has to say beyond its numbers, in one sentence: `state` reads a state of one element by its
    /// Store path, `mean` gives a term's mean over the test set.
    fn verdict(
        &self,
        _state: &mut dyn FnMut(&str) -> Result<f64>,
        _mean: &dyn Fn(&str) -> f64,
    ) -> Result<Option<String>> {
        Ok(None)
    }

    /// The loss of one layer of the encoder (0: the outermost) as an autoencoder by itself, on what the layers below it
    /// make of x, through which no gradient passes; scalar. None where the model is not pretrained in layers.
    fn layer_loss<'g>(&self, _net: &Scope<'g>, _x: Tensor<'g>, _layer: usize) -> Option<Tensor<'g>> {
        None
    }

    /// Dimensions of the code.
    fn latent(&self) -> usize;

    /// Units of the encoder's hidden layers, outermost first.
    fn hidden(&self) -> &[usize];
}

/// The model of these settings.
pub fn of(model: &Model) -> &dyn Autoencoder {
    match model {
        Model::Ae(c) => c,
        Model::Dae(c) => c,
        Model::Sparse(c) => c,
        Model::KSparse(c) => c,
        Model::Contractive(c) => c,
        Model::Vae(c) => c,
        Model::BetaVae(c) => c,
    }
}

/// The layers in a line: `vae 784-400-(20)-400-784`, and of a classifier `vae 784-400-(20)-softmax 10`.
pub fn architecture(c: &Config, features: usize) -> String {
    let (model, m) = (&c.model, of(&c.model));
    let mut parts = vec![features.to_string()];
    parts.extend(m.hidden().iter().map(usize::to_string));
    parts.push(format!("({})", m.latent()));
    if c.classifier.wanted() {
        parts.push(format!("softmax {}", c.classifier.classes));
        return format!("{} {}", model.kind(), parts.join("-"));
    }
    parts.extend(m.hidden().iter().rev().map(usize::to_string));
    parts.push(features.to_string());
    format!("{} {}", model.kind(), parts.join("-"))
}

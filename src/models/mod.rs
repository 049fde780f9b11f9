//! F6: models: one file a paper, each a formula. Train, evaluation and sampling build their graphs from the same
//! functions with the same scope paths, so they meet the same weights.

mod ae;
mod beta_vae;
mod classifier;
mod contractive;
mod convolutions;
mod dae;
mod dense;
mod images;
mod k_sparse;
mod posterior;
mod prior;
mod sparse;
mod td_vae;
mod vae;
mod variational;
mod vq_vae;
mod vq_vae_2;

pub use classifier::classifier;
pub use posterior::Posterior;
pub use td_vae::{TdTerms, Times};

use crate::config::{Config, Convolution, Model, Prior, TdVae};
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

/// The names of levels: of one alone, and of two.
pub const LEVELS: [&str; 3] = ["", "top", "bottom"];

/// A level of a discrete code: positions of an image, each of which has a code of every book.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Level {
    /// Its name, where there are several: `top`.
    pub name: &'static str,
    /// Rows of positions.
    pub height: usize,
    /// Positions of a row.
    pub width: usize,
    /// Books of a position.
    pub books: usize,
    /// Entries of a book.
    pub entries: usize,
    /// Dimensions of a vector, of all books together.
    pub dimensions: usize,
    /// The scope of its codebook: the state `codebook`, or the parameter of that name.
    pub scope: String,
}

impl Level {
    /// Whole numbers of an example: height·width·books.
    pub fn codes(&self) -> usize {
        self.height * self.width * self.books
    }

    /// Numbers of an example in what [`Autoencoder::encode`] gives: height·width·dimensions.
    pub fn numbers(&self) -> usize {
        self.height * self.width * self.dimensions
    }

    /// `NAME what`, or `what` where there is one level.
    pub fn label(&self, what: &str) -> String {
        if self.name.is_empty() { what.into() } else { format!("{} {what}", self.name) }
    }
}

/// `(7×7 of 256)`; `(bottom 8×8 of 512) | 4×4 of 512`, where it knows a level above.
impl std::fmt::Display for Prior {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let extents = |m: &[usize]| {
            let books = if m[2] > 1 { format!("×{}", m[2]) } else { String::new() };
            format!("{}×{}{books} of {}", m[0], m[1], m[3])
        };
        let level = if self.level.is_empty() { String::new() } else { format!("{} ", self.level) };
        write!(f, "({level}{})", extents(&self.map))?;
        if self.above.is_empty() { Ok(()) } else { write!(f, " | {}", extents(&self.above)) }
    }
}

/// `(top 4×4 of 512)`; with several books, `(7×7×2 of 256)`.
impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let books = if self.books > 1 { format!("×{}", self.books) } else { String::new() };
        write!(f, "({})", self.label(&format!("{}×{}{books} of {}", self.height, self.width, self.entries)))
    }
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

    /// ‖J‖²_F, J = ∂code/∂x, of each example, \[batch\], where it is known in closed form though the encoder is more than its
    /// layers.
    fn jacobian<'g>(&self, _net: &Scope<'g>, _x: Tensor<'g>) -> Option<Tensor<'g>> {
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

    /// The model itself where it is one of sequences: its x are \[batch, time, features\].
    fn sequential(&self) -> Option<&TdVae> {
        None
    }

    /// The model itself where it is a prior over the codes of another: its x are \[batch, codes, 1\], whole numbers, and it
    /// has neither an encoder nor a decoder.
    fn autoregressive(&self) -> Option<&Prior> {
        None
    }

    /// The levels of a discrete code of examples of so many numbers, in the order of [`indices`](Self::indices) and of
    /// [`encode`](Self::encode); none where the code is real.
    fn levels(&self, _features: usize) -> Vec<Level> {
        Vec::new()
    }

    /// The discrete code of x: \[batch, codes of all levels\], whole numbers; of a level position by position, and of a
    /// position book by book. None where the code is real.
    fn indices<'g>(&self, _net: &Scope<'g>, _x: Tensor<'g>) -> Option<Tensor<'g>> {
        None
    }

    /// The code that stands for a discrete one, as [`encode`](Self::encode) gives it. None where the code is real.
    fn embed<'g>(&self, _net: &Scope<'g>, _indices: Tensor<'g>, _features: usize) -> Option<Tensor<'g>> {
        None
    }

    /// How many rounds of [`round`](Self::round) there are before the first step.
    fn rounds(&self) -> u64 {
        0
    }

    /// A round of what puts the model's own state where it begins, on the first batch x: assignments alone.
    fn round<'g>(&self, _net: &Scope<'g>, _x: Tensor<'g>) {}

    /// Refuses examples of so many numbers, in one sentence, where the network cannot take them.
    fn accepts(&self, _features: usize) -> Result<()> {
        Ok(())
    }

    /// Dimensions of the code; of one that is a map, of a position.
    fn latent(&self) -> usize;

    /// Numbers of the code of an example of so many numbers.
    fn code_len(&self, _features: usize) -> usize {
        self.latent()
    }

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
        Model::VqVae(c) => c,
        Model::VqVae2(c) => c,
        Model::TdVae(c) => c,
        Model::Prior(c) => c,
    }
}

/// The layers in a line: `vae 784-400-(20)-400-784`, with convolutions (channels, kernel, stride)
/// `vae 784-32c4s2-400-(20)-400-32c4s2-784`, and of a classifier `vae 784-400-(20)-softmax 10`.
pub fn architecture(c: &Config, features: usize) -> String {
    let (model, m) = (&c.model, of(&c.model));
    if let Some(p) = m.autoregressive() {
        let attention = if p.attention { ", attention" } else { "" };
        return format!("prior {p}, {} gated layers of {}{attention}", p.layers, p.channels);
    }
    let conv = |kernel: fn(&Convolution) -> usize| -> Vec<String> {
        model.conv().iter().map(|c| format!("{}c{}s{}", c.channels, kernel(c), c.stride)).collect()
    };
    let widths = |units: &[usize]| -> Vec<String> { units.iter().map(usize::to_string).collect() };
    let belief = m.sequential().map(|s| format!("LSTM {}", s.belief));
    let levels = m.levels(features);
    let code: Vec<String> = match levels.is_empty() {
        true => vec![format!("({})", m.latent())],
        false => levels.iter().map(Level::to_string).collect(),
    };
    let encoder = [widths(&[features]), conv(|c| c.kernel), widths(m.hidden()), belief.into_iter().collect(), code];
    let decoder = match m.sequential() {
        _ if c.classifier.wanted() => vec![format!("softmax {}", c.classifier.classes)],
        Some(s) => [widths(&s.decoder), widths(&[features])].concat(),
        None => [widths(&[features]), conv(|c| c.mirror), widths(m.hidden())].concat().into_iter().rev().collect(),
    };
    format!("{} {}", model.kind(), [encoder.concat(), decoder].concat().join("-"))
}

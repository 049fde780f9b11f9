//! Words into settings: recipes (TOML), `--set key=value`, and the checked [`Config`] that they resolve to.
//!
//! Every setting is `group.key`, two levels deep; a schedule is one value. What a key may hold is said once, by the
//! types of [`Config`]: a table is checked by laying its keys, one at a time, over the defaults of its kinds, so that
//! an error names the key that is to blame.

mod assign;
mod check;
mod classifier;
mod model;
mod optimizer;
mod recipe;
mod schedule;
mod settings;

pub use assign::apply;
pub use check::{differences, resolve};
pub use classifier::Classifier;
pub use model::{
    Activation, Ae, Average, BetaVae, Codebook, Contractive, Control, Convolution, Corruption, Covariance, Dae, Dense,
    JacobianPenalty, KSparse, Likelihood, Loss, Model, Objective, Pixel, Prior, Sparse, Start, TdVae, Update, Vae,
    Variational, VqVae, VqVae2,
};
pub use optimizer::{Adam, Optimizer, Sgd};
pub use recipe::{RECIPES, load, names, summary};
pub use schedule::Schedule;
pub use settings::{Binarise, Checkpoint, Config, Data, ElementType, Label, Precision, Train};

//! F7: what a model is measured beside, and what its codes are measured by.

mod boosting;
pub mod disentanglement;
mod lbfgs;
mod logistic;
pub mod moving;
pub mod next_step;
mod pca;
mod probe;
mod surgery;
mod svm;

pub use lbfgs::Stop;
pub use logistic::{Labelled, Logistic};
pub use pca::Pca;
pub use probe::Probe;
pub use surgery::{Surgery, active_units, mean_and_error};

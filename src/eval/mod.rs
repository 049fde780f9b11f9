//! F7: what a model is measured beside.

pub mod moving;
pub mod next_step;
mod pca;

pub use pca::Pca;

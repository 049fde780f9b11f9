//! F7: what a model is measured beside.

mod pca;

pub use pca::Pca;

//! F7: data sets as bytes: what is shipped, what users bring, and how it is split. Uses [`crate::values`] only.

mod assets;
mod dataset;
mod emoji;
mod folder;
pub mod idx;
mod matrix;
mod names;
pub mod oscillator;
mod pack;
mod photographs;
mod rgb;
mod sequences;

pub use dataset::{Dataset, Options, Sequence, Split, Stored};
pub use matrix::Matrix;
pub use names::{load, names};
pub use pack::pack;
pub use sequences::load_sequences;

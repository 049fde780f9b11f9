//! F7: data sets as bytes: what is shipped, what users bring, and how it is split. Uses [`crate::values`], and for
//! sprites their kernel.

mod assets;
mod cifar;
mod csv;
mod dataset;
pub mod dictionary;
mod file;
mod folder;
pub mod idx;
mod images;
mod levels;
mod names;
mod npy;
mod npz;
mod pack;
mod rectangles;
mod sprites;

pub use dataset::{Dataset, Images, Options, Split};
pub use names::{load, names};
pub use npy::rows;
pub use pack::pack;

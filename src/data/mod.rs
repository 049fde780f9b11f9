//! F7: data sets as bytes: what is shipped, what users bring, and how it is split. Uses [`crate::values`], and for
//! sprites their kernel.

mod assets;
mod cifar;
mod codes;
mod csv;
mod dataset;
pub mod dictionary;
mod emoji;
mod file;
mod folder;
pub mod idx;
mod images;
mod levels;
mod matrix;
mod names;
mod npy;
mod npz;
pub mod oscillator;
mod pack;
mod photographs;
pub mod recall;
mod rectangles;
mod rgb;
mod sequences;
mod sprites;

pub use codes::load_codes;
pub use dataset::{Dataset, Images, Options, Sequence, Split, Stored};
pub use matrix::Matrix;
pub use names::{extent, load, names};
pub use pack::pack;
pub use sequences::load_sequences;

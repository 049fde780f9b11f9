//! F7: data sets as bytes: what is shipped, what users bring, and how it is split. Uses [`crate::values`], and for
//! sprites their kernel.

mod assets;
mod dataset;
mod folder;
pub mod idx;
mod names;
mod pack;
mod sprites;

pub use dataset::{Dataset, Images, Options, Split};
pub use names::{load, names};
pub use pack::pack;

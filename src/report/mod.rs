//! F7: pictures and tables of a run.

mod grid;
mod npy;

pub use grid::{grid, pairs};
pub use npy::npy;

//! F7: pictures and tables of a run.

mod grid;

pub use grid::{grid, pairs};

//! F7: pictures, plots, tables and the page of a run.

mod codes;
mod gif;
mod grid;
mod npy;
mod page;
mod plot;

pub use codes::{Codes, Plane, between};
pub use gif::gif;
pub use grid::{Sheet, pairs, sheet};
pub use npy::{npy, whole_numbers};
pub use page::{Figure, Page, Section};
pub use plot::{Line, Panel, curves, scatter};

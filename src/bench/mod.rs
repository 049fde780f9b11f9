//! F7: the headless benchmark runner: the same numbers for `elbo bench` and `cargo bench`. Each file is one benchmark, but
//! for [`Record`], the line that all of them hand out, [`Baseline`], an earlier run beside it, and the clock.

mod baseline;
mod ceilings;
mod dispatch;
mod kernels;
mod record;
mod scale;
mod spread;
mod startup;
mod train;
mod tune;

pub use baseline::Baseline;
pub use ceilings::{Ceilings, bench_ceilings};
pub use kernels::bench_kernels;
pub use record::{Column, Format, Kind, Record, Sheet};
pub use scale::{BATCH, BATCHES, WIDTHS, bench_scale};
pub use spread::Spread;
pub use startup::bench_startup;
pub use train::{TrainBench, bench_train};
pub use tune::bench_tune;

/// The benchmarks.
pub mod kinds {
    pub use super::ceilings::KIND as CEILINGS;
    pub use super::kernels::KIND as KERNELS;
    pub use super::scale::KIND as SCALE;
    pub use super::startup::KIND as STARTUP;
    pub use super::train::KIND as TRAIN;
    pub use super::tune::KIND as TUNE;
}

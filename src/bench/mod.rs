//! F7: the headless benchmark runner: the same numbers for `elbo bench` and `cargo bench`.

mod train;

pub use train::{KernelTime, TrainBench, bench_train};

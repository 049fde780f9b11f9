//! How the cost of a step grows with the batch, and with the width of the network.

use super::record::{Kind, Record, column};
use super::train::time_steps;
use crate::config::Config;
use crate::data::Dataset;
use crate::exec::Executor;
use crate::train::Session;
use crate::values::{Error, Result};

/// `elbo bench scale`.
pub static KIND: Kind = Kind {
    name: "scale",
    key: &["device", "adapter", "recipe", "batch", "width"],
    time: "step_ms",
    columns: &[
        column("recipe", "recipe", 10, 0),
        column("batch", "batch", 6, 0),
        column("width", "width", 6, 0),
        column("ms a step", "step_ms", 10, 3),
        column("fastest", "step_ms_min", 9, 3),
        column("examples/s", "examples_per_s", 11, 0),
        column("MFLOP each", "mflop_per_example", 10, 3),
        column("GFLOP/s", "gflops", 8, 2),
    ],
};

/// Batches at the first width, then widths at the batch of [`BATCH`].
pub const BATCHES: [usize; 8] = [32, 64, 128, 256, 512, 1024, 2048, 4096];
/// Widths of the hidden layer, at the batch of [`BATCH`].
pub const WIDTHS: [usize; 5] = [256, 512, 1024, 2048, 4096];
/// The batch at which widths are compared.
pub const BATCH: usize = 128;

/// Steps that are timed at least, and seconds.
const STEPS: usize = 3;
const SECONDS: f64 = 0.5;

/// Times a training step of the recipe that `make` gives for settings to add, with each of the batches, and with one hidden
/// layer of each of the widths, and hands each line to `each`. GFLOP/s is examples/s times the work of an example: it stays
/// level where cost grows as the work does.
pub fn bench_scale(
    mut exec: Box<dyn Executor>,
    make: &dyn Fn(&[String]) -> Result<Config>,
    data: &Dataset,
    (batches, widths): (&[usize], &[usize]),
    each: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<()> {
    let first = batches.iter().map(|&b| (b, None));
    let all = first.chain(widths.iter().map(|&w| (BATCH, Some(w)))).map(|(batch, width)| {
        let mut set = vec![format!("train.batch={batch}")];
        set.extend(width.map(|w| format!("model.hidden=[{w}]")));
        let named = |e: Error| match width {
            Some(w) => Error::usage(format!("--width {w}: {e}")),
            None => e,
        };
        make(&set).map(|config| (batch, width, config)).map_err(named)
    });
    // All of them, before the first is measured.
    for (batch, width, config) in all.collect::<Result<Vec<_>>>()? {
        exec.clear();
        let mut session = Session::new(exec, &config, data.clone(), None)?;
        let (_, s) = time_steps(&mut session, STEPS, SECONDS)?;
        let (flops, per_second) = (session.train.plan.flops() as f64, batch as f64 / s.median);
        let record = Record::new(&KIND, session.exec.info()).with("recipe", &config.recipe).with("batch", batch);
        let record = record.with("width", width).spread(s.times(1e3)).with("examples_per_s", per_second);
        let record = record.with("mflop_per_example", flops / batch as f64 * 1e-6);
        each(record.with("gflops", flops / s.median * 1e-9))?;
        exec = session.exec;
    }
    Ok(())
}

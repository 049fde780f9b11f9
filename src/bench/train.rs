//! The step time of a recipe on a device, and where it goes.

use super::Spread;
use super::record::{Kind, Record, column};
use crate::config::{Config, Precision};
use crate::data::Dataset;
use crate::exec::{DeviceInfo, Executor, Span};
use crate::train::Session;
use crate::train::profile::{KernelTime, kernel_table, kernel_times};
use crate::values::{Error, Result};
use std::time::Instant;

/// `elbo bench train`.
pub static KIND: Kind = Kind {
    name: "train",
    key: &["device", "adapter", "recipe", "batch", "precision"],
    time: "step_ms",
    columns: &[
        column("recipe", "recipe", 12, 0),
        column("batch", "batch", 6, 0),
        column("ms a step", "step_ms", 10, 3),
        column("fastest", "step_ms_min", 9, 3),
        column("examples/s", "examples_per_s", 11, 0),
        column("GFLOP/s", "gflops", 8, 2),
        column("dispatches", "dispatches", 10, 0),
    ],
};

/// The fewest submits that are timed: of fewer, quartiles say nothing.
const SAMPLES: usize = 5;

/// Steps that are timed dispatch by dispatch.
const REPEATS: u64 = 7;

/// A measured training step.
#[derive(Clone, Debug)]
pub struct TrainBench {
    /// The recipe.
    pub recipe: String,
    /// `cpu`, `gpu` or `reference`.
    pub device: &'static str,
    /// The adapter's name.
    pub adapter: String,
    /// The driver and its version, empty on the host.
    pub driver: String,
    /// Examples a step.
    pub batch: usize,
    /// What it is computed in.
    pub precision: Precision,
    /// Timed steps.
    pub steps: usize,
    /// A step, in milliseconds.
    pub time: Spread,
    /// Examples a second at the median.
    pub examples_per_s: f64,
    /// Dispatches a step.
    pub dispatches: usize,
    /// Bytes that the dispatches of a step read and write.
    pub bytes_moved: u64,
    /// The least that any schedule could move.
    pub bytes_least: u64,
    /// Bytes on the device at once.
    pub peak_bytes: u64,
    /// Floating-point operations of a step.
    pub flops: u64,
    /// Time by kernel, the longest first: medians of each dispatch timed on its own.
    pub kernels: Vec<KernelTime>,
}

/// Times `steps` training steps (after warm-up), in submits as `train` makes them, then every dispatch by itself.
pub fn bench_train(exec: Box<dyn Executor>, config: &Config, data: Dataset, steps: usize) -> Result<TrainBench> {
    if !config.train.alternate.is_empty() || config.train.pretrain > 0 {
        let text = "what is timed is a step that trains the whole model: set train.alternate=[] and \
                    train.pretrain=0";
        return Err(Error::usage(text));
    }
    let mut session = Session::new(exec, config, data, None)?;
    let (timed, s) = time_steps(&mut session, steps, 0.0)?;
    let runs: Vec<Vec<Span>> =
        (0..REPEATS).map(|i| session.profile(i).map(|(spans, _)| spans)).collect::<Result<_>>()?;
    let kernels = kernel_times(&session.train.plan, &runs);
    let plan = &session.train.plan;
    let info = session.exec.info();
    Ok(TrainBench {
        recipe: config.recipe.clone(),
        device: info.device,
        adapter: info.adapter.clone(),
        batch: config.train.batch,
        precision: config.train.precision,
        driver: info.driver.clone(),
        steps: timed,
        time: s.times(1e3),
        examples_per_s: config.train.batch as f64 / s.median,
        dispatches: plan.dispatches.len(),
        bytes_moved: plan.bytes_moved(),
        bytes_least: plan.bytes_least(),
        peak_bytes: plan.peak_bytes(),
        flops: plan.flops(),
        kernels,
    })
}

/// Times at least `steps` training steps, after warm-up, and for at least some seconds, in submits as `train` makes them:
/// how many there were, and the seconds of one, a sample a submit.
pub(super) fn time_steps(session: &mut Session, steps: usize, seconds: f64) -> Result<(usize, Spread)> {
    let per_epoch = session.steps_per_epoch();
    session.begin_epoch(0)?;
    let mut at = 0;
    let mut run = |session: &mut Session, count: usize| -> Result<f64> {
        // All steps of a submit belong to one epoch; data repeats, which no time depends on.
        if at % per_epoch + count as u64 > per_epoch {
            at = (at / per_epoch + 1) * per_epoch;
        }
        let start = Instant::now();
        let ticket = session.submit(at, count)?;
        session.exec.fetch(ticket)?;
        at += count as u64;
        Ok(start.elapsed().as_secs_f64())
    };
    let first = run(session, 1)?;
    let warm = run(session, 1)?.min(first);
    let group = ((0.05 / warm) as usize).clamp(1, session.group_limit().min(per_epoch as usize));
    run(session, group)?;
    let (mut times, begun) = (Vec::new(), Instant::now());
    while times.len() < SAMPLES || times.len() * group < steps || begun.elapsed().as_secs_f64() < seconds {
        times.push(run(session, group)? / group as f64);
    }
    Ok((times.len() * group, Spread::of(times)))
}

impl TrainBench {
    /// As a line.
    pub fn record(&self) -> Record {
        let (device, adapter, driver) = (self.device, self.adapter.clone(), self.driver.clone());
        let info = DeviceInfo { device, adapter, driver, binding_elements: 0 };
        let record = Record::new(&KIND, &info).with("recipe", &self.recipe).with("batch", self.batch);
        let record = record.with("precision", self.precision);
        let record = record.with("steps", self.steps).spread(self.time).with("examples_per_s", self.examples_per_s);
        let record = record.with("dispatches", self.dispatches).with("bytes_moved", self.bytes_moved);
        let record = record.with("bytes_least", self.bytes_least).with("peak_bytes", self.peak_bytes);
        let gflops = self.flops as f64 / self.time.median * 1e-6;
        record.with("flops", self.flops).with("gflops", gflops).with("kernels", &self.kernels)
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mib = |b: u64| b as f64 / (1 << 20) as f64;
        let mut s = format!(
            "{} on {} ({}), batch {}: {:.3} ms a step (median of {} submits, {} steps in all; fastest {:.3}), {:.0} \
             examples/s\n{} dispatches, {:.1} MFLOP, {:.1} MiB moved (least possible {:.1}), {:.1} MiB on the device\n\n",
            self.recipe,
            self.device,
            self.adapter,
            self.batch,
            self.time.median,
            self.time.samples,
            self.steps,
            self.time.min,
            self.examples_per_s,
            self.dispatches,
            self.flops as f64 / 1e6,
            mib(self.bytes_moved),
            mib(self.bytes_least),
            mib(self.peak_bytes),
        );
        s += &kernel_table(&self.kernels);
        s
    }
}

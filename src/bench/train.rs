//! The step time of a recipe on a device, and where it goes.

use crate::config::Config;
use crate::data::Dataset;
use crate::exec::Executor;
use crate::train::Session;
use crate::values::{Error, Result};
use serde::Serialize;
use std::time::Instant;

/// A measured training step.
#[derive(Clone, Debug, Serialize)]
pub struct TrainBench {
    /// The recipe.
    pub recipe: String,
    /// `cpu`, `gpu` or `reference`.
    pub device: String,
    /// The adapter's name.
    pub adapter: String,
    /// Examples a step.
    pub batch: usize,
    /// Timed steps.
    pub steps: usize,
    /// The median step, in milliseconds.
    pub step_ms: f64,
    /// The fastest step.
    pub step_ms_min: f64,
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

/// What the dispatches of one kernel take in a step.
#[derive(Clone, Debug, Serialize)]
pub struct KernelTime {
    /// The kernel and what it does.
    pub kernel: String,
    /// Dispatches a step.
    pub dispatches: usize,
    /// Milliseconds a step.
    pub ms: f64,
    /// Billions of floating-point operations a second.
    pub gflops: f64,
    /// Billions of bytes a second.
    pub gbytes: f64,
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Times `steps` training steps (after warm-up), in submits as `train` makes them, then every dispatch by itself.
pub fn bench_train(exec: Box<dyn Executor>, config: &Config, data: Dataset, steps: usize) -> Result<TrainBench> {
    if !config.train.alternate.is_empty() || config.train.pretrain > 0 {
        let text = "what is timed is a step that trains the whole model: leave out train.alternate and train.pretrain";
        return Err(Error::usage(text));
    }
    let mut session = Session::new(exec, config, data, None)?;
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
    let first = run(&mut session, 1)?;
    let warm = run(&mut session, 1)?.min(first);
    let group = ((0.05 / warm) as usize).clamp(1, session.group_limit().min(per_epoch as usize));
    run(&mut session, group)?;
    let mut times = Vec::new();
    while times.len() * group < steps {
        times.push(run(&mut session, group)? / group as f64);
    }
    let min = times.iter().copied().fold(f64::INFINITY, f64::min);
    let step = median(&mut times);
    let kernels = profile(&mut session)?;
    let plan = &session.train.plan;
    let info = session.exec.info();
    Ok(TrainBench {
        recipe: config.recipe.clone(),
        device: info.device.into(),
        adapter: info.adapter.clone(),
        batch: config.train.batch,
        steps: times.len() * group,
        step_ms: step * 1e3,
        step_ms_min: min * 1e3,
        examples_per_s: config.train.batch as f64 / step,
        dispatches: plan.dispatches.len(),
        bytes_moved: plan.bytes_moved(),
        bytes_least: plan.bytes_least(),
        peak_bytes: plan.peak_bytes(),
        flops: plan.flops(),
        kernels,
    })
}

fn profile(session: &mut Session) -> Result<Vec<KernelTime>> {
    const REPEATS: usize = 7;
    let runs: Vec<Vec<f64>> = (0..REPEATS).map(|i| session.profile(i as u64)).collect::<Result<_>>()?;
    let mut rows: Vec<(KernelTime, u64, u64)> = Vec::new();
    for (i, d) in session.train.plan.dispatches.iter().enumerate() {
        let seconds = median(&mut runs.iter().map(|r| r[i]).collect::<Vec<_>>());
        let name = format!("{} {}", d.kernel.name(), d.kernel.describe(&d.call)).trim_end().to_string();
        let at = rows.iter().position(|(k, ..)| k.kernel == name).unwrap_or_else(|| {
            rows.push((KernelTime { kernel: name, dispatches: 0, ms: 0.0, gflops: 0.0, gbytes: 0.0 }, 0, 0));
            rows.len() - 1
        });
        let (k, flops, bytes) = &mut rows[at];
        k.dispatches += 1;
        k.ms += seconds * 1e3;
        *flops += d.kernel.work(&d.call).flops;
        *bytes += d.bytes();
    }
    let finish = |(mut k, flops, bytes): (KernelTime, u64, u64)| {
        let seconds = (k.ms * 1e-3).max(f64::MIN_POSITIVE);
        (k.gflops, k.gbytes) = (flops as f64 / seconds * 1e-9, bytes as f64 / seconds * 1e-9);
        k
    };
    let mut kernels: Vec<KernelTime> = rows.into_iter().map(finish).collect();
    kernels.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    Ok(kernels)
}

impl TrainBench {
    /// For a terminal.
    pub fn text(&self) -> String {
        let mib = |b: u64| b as f64 / (1 << 20) as f64;
        let mut s = format!(
            "{} on {} ({}), batch {}: {:.3} ms a step (median of {} steps; fastest {:.3}), {:.0} examples/s\n{} dispatches, \
             {:.1} MFLOP, {:.1} MiB moved (least possible {:.1}), {:.1} MiB on the device\n\n",
            self.recipe,
            self.device,
            self.adapter,
            self.batch,
            self.step_ms,
            self.steps,
            self.step_ms_min,
            self.examples_per_s,
            self.dispatches,
            self.flops as f64 / 1e6,
            mib(self.bytes_moved),
            mib(self.bytes_least),
            mib(self.peak_bytes),
        );
        s += &format!("{:<34} {:>5} {:>9} {:>9} {:>8}\n", "kernel", "runs", "ms", "GFLOP/s", "GB/s");
        for k in &self.kernels {
            s += &format!("{:<34} {:>5} {:>9.3} {:>9.2} {:>8.2}\n", k.kernel, k.dispatches, k.ms, k.gflops, k.gbytes);
        }
        s
    }
}

//! Where a step's time goes: by kernel as a table, and dispatch by dispatch as a trace for Perfetto or chrome://tracing.

use super::Session;
use crate::checkpoint::write_whole;
use crate::exec::Span;
use crate::plan::{Dispatch, Plan};
use crate::values::{Error, Result};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

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

/// A dispatch in words: `matmul_vec4 nt+bias+relu`.
fn words(d: &Dispatch) -> String {
    format!("{} {}", d.kernel.name(), d.kernel.describe(&d.call)).trim_end().to_string()
}

/// Time by kernel, the longest first, from some runs of a plan: of each dispatch the median.
pub fn kernel_times(plan: &Plan, runs: &[Vec<Span>]) -> Vec<KernelTime> {
    let mut rows: Vec<(KernelTime, u64, u64)> = Vec::new();
    for (i, d) in plan.dispatches.iter().enumerate() {
        let mut times: Vec<f64> = runs.iter().map(|r| r[i].seconds).collect();
        times.sort_by(f64::total_cmp);
        let (seconds, name) = (times[times.len() / 2], words(d));
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
    kernels
}

/// For a terminal.
pub fn kernel_table(kernels: &[KernelTime]) -> String {
    let total: f64 = kernels.iter().map(|k| k.ms).sum();
    let mut s = format!("{:<34} {:>5} {:>9} {:>6} {:>9} {:>8}\n", "kernel", "runs", "ms", "%", "GFLOP/s", "GB/s");
    for k in kernels {
        let share = 100.0 * k.ms / total.max(f64::MIN_POSITIVE);
        let numbers = format!("{:>5} {:>9.3} {share:>6.1} {:>9.2} {:>8.2}", k.dispatches, k.ms, k.gflops, k.gbytes);
        s += &format!("{:<34} {numbers}\n", k.kernel);
    }
    s
}

/// A step, timed dispatch by dispatch.
struct Step {
    step: u64,
    phase: usize,
    /// Seconds since the profile began.
    at: f64,
    spans: Vec<Span>,
}

/// The profile of some steps of a run.
pub struct Profile {
    began: Instant,
    steps: Vec<Step>,
    /// The plans of the phases that they belong to.
    plans: BTreeMap<usize, Plan>,
}

impl Default for Profile {
    fn default() -> Self {
        Self { began: Instant::now(), steps: Vec::new(), plans: BTreeMap::new() }
    }
}

impl Profile {
    /// How many steps of a run are profiled.
    pub const STEPS: u64 = 10;

    /// Makes a step of the run; returns its metrics.
    pub fn step(&mut self, session: &mut Session, step: u64) -> Result<Vec<f32>> {
        let phase = session.phase(step);
        self.plans.entry(phase).or_insert_with(|| session.plan(step).clone());
        let at = self.began.elapsed().as_secs_f64();
        let (spans, metrics) = session.profile(step)?;
        self.steps.push(Step { step, phase, at, spans });
        Ok(metrics)
    }

    /// Writes `profile.txt` and `profile.json` to a run's folder.
    pub fn write(&self, session: &Session, run: &Path) -> Result<()> {
        let info = session.exec.info();
        let mut text = format!("{}: {} {}", info.device, info.adapter, info.driver).trim_end().to_string() + "\n";
        for (phase, plan) in &self.plans {
            let steps: Vec<&Step> = self.steps.iter().filter(|s| s.phase == *phase).collect();
            let runs: Vec<Vec<Span>> = steps.iter().map(|s| s.spans.clone()).collect();
            let kernels = kernel_times(plan, &runs);
            let (first, last) = (steps[0].step + 1, steps[steps.len() - 1].step + 1);
            let (n, ms) = (plan.dispatches.len(), kernels.iter().map(|k| k.ms).sum::<f64>());
            text += &format!("\nsteps {first} to {last}: {n} dispatches, {ms:.3} ms in kernels (medians a step)\n\n");
            text += &kernel_table(&kernels);
        }
        write_whole(run, "profile.txt", text.as_bytes())?;
        let trace = json!({ "displayTimeUnit": "ms", "traceEvents": self.events(),
            "otherData": { "device": info.device, "adapter": info.adapter, "driver": info.driver } });
        let text = serde_json::to_string(&trace).map_err(|e| Error::failure(format!("the trace: {e}")))?;
        write_whole(run, "profile.json", text.as_bytes())
    }

    /// The trace: an event a dispatch, its times in µs.
    fn events(&self) -> Vec<serde_json::Value> {
        let events = self.steps.iter().flat_map(|s| {
            let plan = &self.plans[&s.phase];
            plan.dispatches.iter().zip(&s.spans).map(|(d, span)| {
                json!({
                    "name": format!("{} {}", words(d), d.scope).trim_end(), "cat": d.kernel.name(), "ph": "X",
                    "pid": 0, "tid": 0, "ts": (s.at + span.start) * 1e6, "dur": span.seconds * 1e6,
                    "args": { "step": s.step + 1, "flops": d.kernel.work(&d.call).flops, "bytes": d.bytes() },
                })
            })
        });
        events.collect()
    }
}

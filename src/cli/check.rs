//! `elbo check`: a report to paste into a bug report.

use super::common::{Common, show};
use crate::check::{Outcome, Proof, cases, check, self_test};
use crate::exec::gpu::Context;
use crate::exec::{Cpu, Executor, FAST, adapter};
use crate::kernels::{Kernel, REGISTRY};
use crate::values::{Error, Result};
use serde_json::json;
use std::time::Instant;

/// Arguments of `elbo check`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// Only this kernel, and no self-test of the adapter
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// What became of a kernel's cases.
struct Row {
    kernel: &'static dyn Kernel,
    cases: usize,
    worst: f64,
    wrong: Vec<Outcome>,
}

/// A line on stdout; where it cannot be written, the function ends with that.
macro_rules! say {
    ($($text:tt)*) => { show(&format!("{}\n", format_args!($($text)*)))? };
}

pub fn run(a: Args) -> Result<()> {
    let start = Instant::now();
    let kernels = chosen(a.kernel.as_deref())?;
    let mut executor = a.common.open()?;
    let info = executor.info().clone();
    let version = env!("CARGO_PKG_VERSION");
    if a.json {
        say!(
            "{}",
            json!({ "record": "device", "elbo": version, "device": info.device, "adapter": info.adapter,
                "driver": info.driver })
        );
    } else {
        say!("elbo     {version} check, {}\ndevice   {}: {}", std::env::consts::OS, info.device, info.adapter);
        if !info.driver.is_empty() {
            say!("driver   {}", info.driver);
        }
        say!("\n{:<16}{:>6}{:>8}  verdict (worst: the largest error over its tolerance)", "kernel", "cases", "worst");
    }
    // Where a kernel has a second body on the cpu, its twin is proven too.
    let mut twins = Cpu::twins();
    let mut wrong = Vec::new();
    for &kernel in &kernels {
        let second = info.device == "cpu" && FAST.iter().any(|(name, _)| *name == kernel.name());
        let row = prove(kernel, executor.as_mut(), second.then_some(&mut twins));
        if a.json {
            row.json()?;
        } else {
            row.print()?;
        }
        if !row.wrong.is_empty() {
            wrong.push(kernel.name());
        }
    }
    if a.kernel.is_none()
        && let Some(found) = adapter(&a.common.choice()?)?
    {
        if !a.json {
            say!("\nthe adapter's own arithmetic (for information; no kernel depends on it)");
        }
        for f in self_test(&Context::open(&found, false)?)? {
            if a.json {
                say!("{}", json!({ "record": "adapter", "name": f.name, "value": f.value }));
            } else {
                say!("{:<13}{}", f.name, f.text);
            }
        }
    }
    if !a.json {
        say!("\n{} kernels, {} wrong, {:.1} s", kernels.len(), wrong.len(), start.elapsed().as_secs_f64());
    }
    match wrong.as_slice() {
        [] => Ok(()),
        [one] => Err(Error::failure(format!("the kernel {one} computes wrong values on {}", info.adapter))),
        all => {
            let (count, names) = (all.len(), all.join(", "));
            Err(Error::failure(format!("{count} kernels compute wrong values on {}: {names}", info.adapter)))
        }
    }
}

/// The kernels that the user means.
fn chosen(name: Option<&str>) -> Result<Vec<&'static dyn Kernel>> {
    let Some(name) = name else { return Ok(REGISTRY.to_vec()) };
    if let Some(k) = REGISTRY.iter().find(|k| k.name() == name) {
        return Ok(vec![*k]);
    }
    let near = REGISTRY.iter().map(|k| k.name()).max_by(|a, b| {
        let likeness = |s: &str| strsim::jaro_winkler(name, s);
        likeness(a).total_cmp(&likeness(b))
    });
    Err(Error::usage(format!("no kernel `{name}`; did you mean `{}`?", near.unwrap_or_default())))
}

fn prove(kernel: &'static dyn Kernel, executor: &mut dyn Executor, mut twins: Option<&mut Cpu>) -> Row {
    let mut row = Row { kernel, cases: 0, worst: 0.0, wrong: Vec::new() };
    for case in cases(kernel) {
        let proof = Proof::new(kernel, case);
        row.cases += 1;
        row.take(check(executor, &proof));
        if let Some(twins) = &mut twins {
            row.take(check(*twins, &proof));
        }
        // The mutation pass asks only whether anything is wrong.
        if cfg!(feature = "mutants") && !row.wrong.is_empty() {
            break;
        }
    }
    row
}

/// Wrong cases that a table shows of one kernel; JSON has all.
const SHOWN: usize = 3;

impl Row {
    fn take(&mut self, outcome: Outcome) {
        self.worst = self.worst.max(outcome.worst);
        if outcome.fault.is_some() {
            self.wrong.push(outcome);
        }
    }

    fn json(&self) -> Result<()> {
        let finite = self.worst.is_finite().then_some(self.worst);
        let faults: Vec<_> = self
            .wrong
            .iter()
            .map(|o| json!({ "case": o.case, "fault": o.fault.as_ref().map(ToString::to_string) }))
            .collect();
        say!(
            "{}",
            json!({ "record": "kernel", "kernel": self.kernel.name(), "cases": self.cases, "worst": finite,
                "ok": faults.is_empty(), "wrong": faults })
        );
        Ok(())
    }

    fn print(&self) -> Result<()> {
        let verdict = if self.wrong.is_empty() { "ok".into() } else { format!("WRONG in {} cases", self.wrong.len()) };
        say!("{:<16}{:>6}{:>8.3}  {verdict}", self.kernel.name(), self.cases, self.worst);
        for o in self.wrong.iter().take(SHOWN) {
            say!("    {o}");
        }
        Ok(())
    }
}

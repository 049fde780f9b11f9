//! `elbo check`: a report to paste into a bug report.

use super::common::{Common, kind, show};
use crate::check::{Outcome, Verdict, prove, self_test};
use crate::exec::gpu::{Context, Gpu};
use crate::exec::{self, Executor, adapter};
use crate::kernels::{Kernel, REGISTRY};
use crate::values::{Error, Result};
use serde_json::json;
use std::time::{Duration, Instant};

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

/// No case needs as long, on any adapter.
const PATIENCE: Duration = Duration::from_secs(60);

/// A line on stdout; where it cannot be written, the function ends with that.
macro_rules! say {
    ($($text:tt)*) => { show(&format!("{}\n", format_args!($($text)*)))? };
}

pub fn run(a: Args) -> Result<()> {
    let start = Instant::now();
    if !cfg!(feature = "mutants") && std::env::var_os("ELBO_SHADERS").is_some() {
        let text = "ELBO_SHADERS is set, but this elbo has its shaders built in; build it with --features mutants";
        return Err(Error::usage(text));
    }
    let kernels = chosen(a.kernel.as_deref())?;
    let choice = a.common.choice()?;
    let found = adapter(&choice)?;
    let mut open = || -> Result<Box<dyn Executor>> {
        let Some(found) = &found else { return exec::open(&choice) };
        let mut gpu = Gpu::new(Context::open(found, false)?);
        gpu.set_patience(PATIENCE);
        Ok(Box::new(gpu))
    };
    let executor = open()?;
    let name = head(&a, executor.as_ref(), found.as_ref())?;
    let mut each = |v: &Verdict| if a.json { record(v) } else { row(v) };
    let verdicts = prove(&kernels, executor, &mut open, &mut each)?;
    if let (None, Some(found)) = (&a.kernel, &found) {
        adapter_arithmetic(a.json, found)?;
    }
    let named = |which: &dyn Fn(&Verdict) -> bool| -> Vec<&str> {
        verdicts.iter().filter(|v| which(v)).map(|v| v.kernel.name()).collect()
    };
    let (wrong, idle) = (named(&Verdict::wrong), named(&|v| !v.ok() && !v.wrong()));
    let seconds = start.elapsed().as_secs_f64();
    if a.json {
        say!(
            "{}",
            json!({ "record": "summary", "kernels": kernels.len(), "wrong": wrong, "not_run": idle, "seconds": seconds })
        );
    } else {
        let not_run = if idle.is_empty() { String::new() } else { format!(", {} not run", idle.len()) };
        say!("\n{}, {} wrong{not_run}, {seconds:.1} s", count(kernels.len(), "kernel"), wrong.len());
    }
    let mut faults = Vec::new();
    if let [one] = wrong[..] {
        faults.push(format!("the kernel {one} computes wrong values on {name}"));
    } else if !wrong.is_empty() {
        faults.push(format!("{} kernels compute wrong values on {name}: {}", wrong.len(), wrong.join(", ")));
    }
    if !idle.is_empty() {
        faults.push(format!("{} did not run to the end on {name}", idle.join(", ")));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::failure(faults.join("; "))) }
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// What is tested on what; returns the adapter's name.
fn head(a: &Args, executor: &dyn Executor, found: Option<&wgpu::Adapter>) -> Result<String> {
    let info = executor.info();
    let (version, os, arch) = (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    let gpu = found.map(wgpu::Adapter::get_info);
    if a.json {
        let mut head = json!({ "record": "device", "elbo": version, "os": os, "arch": arch, "device": info.device,
            "adapter": info.adapter, "driver": info.driver });
        if let Some(i) = &gpu {
            head["backend"] = i.backend.to_string().into();
            head["kind"] = format!("{:?}", i.device_type).into();
            (head["vendor_id"], head["device_id"]) = (i.vendor.into(), i.device.into());
        }
        say!("{head}");
    } else {
        say!("elbo     {version} check, {os} on {arch}\ndevice   {}: {}", info.device, info.adapter);
        if let Some(i) = &gpu {
            let ids = format!("vendor {:#06x}, device {:#06x}", i.vendor, i.device);
            say!("         {} through {}, {ids}\ndriver   {}", kind(i), i.backend, info.driver);
        }
        say!("\n{:<17}{:>5}{:>9}  verdict (worst: the largest error over its tolerance)", "kernel", "cases", "worst");
    }
    Ok(info.adapter.clone())
}

fn adapter_arithmetic(json: bool, found: &wgpu::Adapter) -> Result<()> {
    let findings = match Context::open(found, false).and_then(|c| self_test(&c)) {
        Ok(findings) => findings,
        // The verdicts stand without it.
        Err(e) if json => {
            say!("{}", json!({ "record": "adapter", "error": e.to_string() }));
            return Ok(());
        }
        Err(e) => {
            say!("\nthe adapter's own arithmetic could not be measured: {e}");
            return Ok(());
        }
    };
    if !json {
        say!("\nthe adapter's own arithmetic (for information)");
    }
    for f in findings {
        if json {
            say!("{}", json!({ "record": "adapter", "name": f.name, "value": f.value }));
        } else {
            say!("{:<13}{}", f.name, f.text);
        }
    }
    Ok(())
}

/// The kernels that the user means.
pub fn chosen(name: Option<&str>) -> Result<Vec<&'static dyn Kernel>> {
    let Some(name) = name else { return Ok(REGISTRY.to_vec()) };
    if let Some(k) = REGISTRY.iter().find(|k| k.name() == name) {
        return Ok(vec![*k]);
    }
    let known: Vec<&str> = REGISTRY.iter().map(|k| k.name()).collect();
    Err(Error::usage(format!("no kernel `{name}`; the kernels are {}", known.join(", "))))
}

/// Failed cases that a table shows of one kernel; JSON has all.
const SHOWN: usize = 3;

fn record(v: &Verdict) -> Result<()> {
    let finite = v.worst.is_finite().then_some(v.worst);
    let fault = |o: &Outcome| json!({ "case": o.case, "overrides": o.overrides, "fault": o.fault.as_ref().map(ToString::to_string) });
    let faults: Vec<_> = v.failed.iter().map(fault).collect();
    say!(
        "{}",
        json!({ "record": "kernel", "kernel": v.kernel.name(), "cases": v.cases, "worst": finite, "ok": v.ok(), "lacking": v.lacking,
            "wrong": faults })
    );
    Ok(())
}

fn row(v: &Verdict) -> Result<()> {
    let verdict = match (v.failed.len(), v.cases) {
        (0, 0) if v.lacking => "not for this adapter, which has no subgroups".into(),
        (0, 0) => "NOT RUN".into(),
        (0, _) => "ok".into(),
        (n, _) if v.wrong() => format!("WRONG: {}", count(n, "fault")),
        (n, _) => format!("DID NOT RUN: {}", count(n, "fault")),
    };
    let worst = if v.worst < 1000.0 { format!("{:.3}", v.worst) } else { format!("{:.1e}", v.worst) };
    say!("{:<17}{:>5}{:>9}  {verdict}", v.kernel.name(), v.cases, worst);
    for o in v.failed.iter().take(SHOWN) {
        say!("    {o}");
    }
    Ok(())
}

//! From the start of the process to its first finished step, and to its end.

use super::Spread;
use super::record::{Kind, Record, column};
use crate::exec::DeviceInfo;
use crate::values::{Error, Result};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// `elbo bench startup`.
pub static KIND: Kind = Kind {
    name: "startup",
    key: &["device", "adapter", "recipe", "cache"],
    time: "ms",
    columns: &[
        column("recipe", "recipe", 10, 0),
        column("caches", "cache", 6, 0),
        column("ms to a step", "ms", 12, 1),
        column("fastest", "ms_min", 9, 1),
        column("ms to the end", "exit_ms", 13, 1),
    ],
};

/// How often the metrics of a run are looked at.
const GLANCE: Duration = Duration::from_micros(500);

/// A folder that goes when this does.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("elbo-startup-{}", std::process::id()));
        // One of an earlier process of this number.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).map_err(|e| Error::io("cannot make the folder", &path, &e))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in a folder for temporary files does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs `elbo` (the program at that path) `runs` times as `train RECIPE --steps 1` and further `arguments`, in a folder of
/// its own, and hands a line for each state of the caches to `each`. On a GPU that is first cold, with an empty folder for
/// compiled shaders in place of the user's (of Mesa's drivers and of NVIDIA's), then warm, a run with what the one before
/// left; on the host only warm.
pub fn bench_startup(
    elbo: &Path,
    recipe: &str,
    arguments: &[String],
    runs: usize,
    each: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<()> {
    let scratch = Scratch::new()?;
    let one = |cache: &Path| Run { elbo, recipe, arguments, folder: &scratch.0, cache }.make();
    let cache = |i: usize| scratch.0.join(format!("cache-{i}"));
    // Brings the program into memory, and tells what it runs on.
    let info = one(&cache(0))?.info;
    let mut pairs = Vec::new();
    for i in 1..=runs {
        // On the host there is nothing to compile.
        let cold = if info.device == "gpu" { Some(one(&cache(i))?) } else { None };
        pairs.push((cold, one(&cache(i))?));
    }
    let (cold, warm): (Vec<Option<Times>>, Vec<Times>) = pairs.into_iter().unzip();
    let cold: Vec<Times> = cold.into_iter().flatten().collect();
    for (state, times) in [("cold", cold), ("warm", warm)].into_iter().filter(|(_, times)| !times.is_empty()) {
        let spread = |f: fn(&Times) -> f64| Spread::of(times.iter().map(f).collect()).times(1e3);
        let record = Record::new(&KIND, &info).with("recipe", recipe).with("cache", state).spread(spread(|t| t.step));
        let exit = spread(|t| t.exit);
        each(record.with("exit_ms", exit.median).with("exit_ms_min", exit.min))?;
    }
    Ok(())
}

struct Times {
    step: f64,
    exit: f64,
    info: DeviceInfo,
}

struct Run<'a> {
    elbo: &'a Path,
    recipe: &'a str,
    arguments: &'a [String],
    folder: &'a Path,
    cache: &'a Path,
}

impl Run<'_> {
    fn make(&self) -> Result<Times> {
        let (out, metrics) = (self.folder.join("run"), self.folder.join("run/metrics.jsonl"));
        if out.exists() {
            fs::remove_dir_all(&out).map_err(|e| Error::io("cannot empty", &out, &e))?;
        }
        fs::create_dir_all(self.cache).map_err(|e| Error::io("cannot make the folder", self.cache, &e))?;
        let mut command = Command::new(self.elbo);
        command.args(["train", self.recipe, "--steps", "1", "--quiet", "--json", "--set", "train.log_every=1"]);
        command.args(self.arguments).arg("--out").arg(&out);
        for name in ["MESA_SHADER_CACHE_DIR", "__GL_SHADER_DISK_CACHE_PATH"] {
            command.env(name, self.cache);
        }
        let failed = |what: String| Error::failure(format!("bench startup: {} {what}", self.elbo.display()));
        let start = Instant::now();
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|e| failed(format!("cannot be run: {e}")))?;
        let stepped = || fs::read_to_string(&metrics).is_ok_and(|text| text.contains(r#""kind":"train""#));
        let mut step = None;
        let exit = loop {
            if step.is_none() && stepped() {
                step = Some(start.elapsed().as_secs_f64());
            }
            if child.try_wait().map_err(|e| failed(format!("cannot be waited for: {e}")))?.is_some() {
                break start.elapsed().as_secs_f64();
            }
            sleep(GLANCE);
        };
        let done = child.wait_with_output().map_err(|e| failed(format!("cannot be read: {e}")))?;
        if !done.status.success() {
            let text = String::from_utf8_lossy(&done.stderr);
            let text = text.trim().strip_prefix("elbo: ").unwrap_or(text.trim()).to_string();
            // What is wrong with the request is wrong with this one too.
            return Err(if done.status.code() == Some(2) {
                Error::usage(text)
            } else {
                failed(format!("failed: {text}"))
            });
        }
        let result: Value =
            serde_json::from_slice(&done.stdout).map_err(|e| failed(format!("printed no JSON object: {e}")))?;
        let device = match result["device"].as_str() {
            Some("gpu") => "gpu",
            Some("reference") => "reference",
            _ => "cpu",
        };
        let adapter = result["adapter"].as_str().unwrap_or_default().to_string();
        let info = DeviceInfo { device, adapter, driver: String::new(), binding_elements: 0 };
        // Where we slept through it, it was at the end at the latest.
        let step = step.or_else(|| stepped().then_some(exit));
        let step = step.ok_or_else(|| failed("ended without the metrics of a step".into()))?;
        Ok(Times { step, exit, info })
    }
}

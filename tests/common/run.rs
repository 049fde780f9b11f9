//! What the tests of models share: short runs on MNIST, by recipe, on every executor.
#![allow(dead_code, reason = "each test uses its part")]

use elbo::config::{self, Config};
use elbo::data::{self, Dataset};
use elbo::exec::{self, Choice};
use elbo::plan::{Options, Plan};
use elbo::train::{Evaluation, Session, SetShape, phases::phases, programs};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Training images, and test images.
pub const EXAMPLES: usize = 512;

pub fn mnist() -> Dataset {
    static SET: OnceLock<Dataset> = OnceLock::new();
    let options = data::Options { validation: 0, limit: EXAMPLES, ..data::Options::WHOLE };
    SET.get_or_init(|| data::load("mnist", &options).unwrap()).clone()
}

/// A recipe with changes, or why it is refused.
pub fn resolved(recipe: &str, changes: &[&str]) -> elbo::values::Result<Config> {
    let mut table = config::load(recipe)?;
    changes.iter().try_for_each(|change| config::apply(&mut table, change))?;
    config::resolve(&table)
}

/// A recipe with changes.
pub fn settings(recipe: &str, changes: &[&str]) -> Config {
    resolved(recipe, changes).unwrap_or_else(|e| panic!("{recipe} {changes:?}: {e}"))
}

/// The sentence in which a recipe with changes is refused.
pub fn refusal(recipe: &str, changes: &[&str]) -> String {
    let e = resolved(recipe, changes).expect_err("this should be refused");
    assert_eq!(e.exit_code(), 2, "{e}");
    e.to_string()
}

/// Whether there is to be a GPU. One that is missing fails the test that opens it.
pub fn gpu_wanted() -> bool {
    let skip = std::env::var("ELBO_GPU_TESTS").is_ok_and(|v| v == "skip");
    if skip {
        // Past the harness, which would swallow a print.
        let _ = writeln!(std::io::stderr(), "ELBO_GPU_TESTS=skip: a GPU leg was left out");
    }
    !skip
}

/// cpu, and gpu unless it is to be skipped.
pub fn fast_devices() -> Vec<Choice> {
    if gpu_wanted() { vec![Choice::Cpu, Choice::Gpu] } else { vec![Choice::Cpu] }
}

/// Every executor, but gpu where it is to be skipped.
pub fn devices() -> Vec<Choice> {
    [vec![Choice::Reference], fast_devices()].concat()
}

pub fn session(device: &Choice, c: &Config) -> Session {
    let exec = exec::open(device).unwrap_or_else(|e| panic!("{device}: {e} (ELBO_GPU_TESTS=skip leaves it out)"));
    Session::new(exec, c, mnist(), None).unwrap()
}

/// Makes steps `0..n` and returns the metrics of each.
pub fn steps(s: &mut Session, n: u64) -> Vec<Vec<f32>> {
    grouped(s, n, u64::MAX)
}

/// The same with at most `group` steps in a submit.
pub fn grouped(s: &mut Session, n: u64, group: u64) -> Vec<Vec<f32>> {
    let per_epoch = s.steps_per_epoch();
    let (mut at, mut rows) = (0, Vec::new());
    while at < n {
        if at % per_epoch == 0 {
            s.begin_epoch(at / per_epoch).unwrap();
        }
        let count =
            group.min(n - at).min(per_epoch - at % per_epoch).min(s.group_limit() as u64).min(s.phase_end(at) - at);
        let ticket = s.submit(at, count as usize).unwrap();
        rows.extend(s.exec.fetch(ticket).unwrap());
        at += count;
    }
    rows
}

/// What a kind of store (`params`, `adam.m`, …) has of the parameters of a group, one after the other.
pub fn stored(s: &mut Session, kind: &str, group: &str) -> Vec<f32> {
    let mut all = Vec::new();
    for (p, place) in s.layout.params.iter().zip(&s.layout.places).filter(|(p, _)| p.group() == group) {
        let bucket = s.exec.read(&format!("{kind}/{}", s.layout.buckets[place.bucket].name)).unwrap();
        all.extend(&bucket.f32()[place.offset..][..p.shape.len()]);
    }
    assert!(!all.is_empty(), "no parameter of {group}");
    all
}

/// A mean of an evaluation, by name.
pub fn mean(of: &Evaluation, name: &str) -> f64 {
    of.means.values().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no {name}")).1
}

/// The losses of the first `n` steps.
pub fn losses(device: &Choice, c: &Config, n: u64) -> Vec<f64> {
    steps(&mut session(device, c), n).iter().map(|row| f64::from(row[0])).collect()
}

/// The first ten losses are the same on every executor, within 1e-3, and the loss falls.
pub fn ten_losses_agree(recipe: &str, changes: &[&str]) {
    let c = settings(recipe, changes);
    let all: Vec<Vec<f64>> = devices().iter().map(|d| losses(d, &c, 10)).collect();
    assert!(all[0][9] < all[0][0], "{recipe} {changes:?}: the loss falls: {:?}", all[0]);
    for (device, got) in devices().iter().zip(&all).skip(1) {
        for (i, (g, w)) in got.iter().zip(&all[0]).enumerate() {
            assert!((g - w).abs() <= 1e-3 * w.abs(), "{recipe} {changes:?}, {device}, step {i}: {g}, expected {w}");
        }
    }
}

/// The program in a folder, with arguments that hold no spaces.
pub fn elbo(at: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elbo"));
    command.env("NODEVICE_SELECT", "1").current_dir(at).args(words.split_whitespace()).output().unwrap()
}

/// What it printed on stdout and on stderr, where it has to succeed.
#[track_caller]
pub fn succeeds(at: &Path, words: &str) -> (String, String) {
    let o = elbo(at, words);
    let [out, err] = [o.stdout, o.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(o.status.success(), "{words}: {err}");
    (out, err)
}

/// The first step of a run on 60,000 images of 784 pixels, planned without a device or data.
pub fn planned(c: &Config) -> elbo::values::Result<Plan> {
    let set =
        SetShape { split: "train", examples: 60_000, features: 784, sequence: None, resident: true, drawn: false };
    let layout = programs::layout(c, 784, 1 << 28)?;
    let phase = phases(c, &layout, 784, 1)?[0];
    Ok(programs::train(c, &set, &layout, Options::default(), phase)?.plan)
}

/// The losses of a run's steps, to the last bit of f32, as its metrics have them; `train.log_every` is 1.
pub fn logged_losses(run: &Path) -> Vec<f64> {
    let lines = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter(|line| line["kind"] == "train").map(|line| line["loss"].as_f64().expect("a loss")).collect()
}

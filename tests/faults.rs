//! A GPU that goes away or hangs under a run: the run ends in the bytes of one that nothing happened to, or in a
//! sentence.

use elbo::check::{Verdict, prove};
use elbo::checkpoint::{self, Saved};
use elbo::config::{self, Config};
use elbo::data::{self, Dataset};
use elbo::exec::gpu::{Context, Gpu, is_software};
use elbo::exec::{Choice, DeviceInfo, Executor, PlanId, Span, Ticket, adapter};
use elbo::graph::Graph;
use elbo::kernels::{StepRow, kernel};
use elbo::plan::{LOG_ROWS, Plan};
use elbo::train::{Ending, MAX_LOSSES, Outcome, RunOptions, Session, Start, run_recovering};
use elbo::values::{DType, Error, HostBuf, Result};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const STEPS: u64 = 12;

/// A GPU that destroys its device at the call after `left` others, once that is above 0.
struct Fragile {
    gpu: Gpu,
    left: Rc<Cell<u64>>,
    /// It hangs at that call instead.
    hangs: bool,
}

impl Fragile {
    fn call(&mut self) -> &mut Gpu {
        match self.left.get() {
            0 => {}
            // Only a fetch can hang.
            1 if self.hangs => {}
            1 => {
                self.left.set(0);
                self.gpu.context().device.destroy();
            }
            n => self.left.set(n - 1),
        }
        &mut self.gpu
    }
}

impl Executor for Fragile {
    fn info(&self) -> &DeviceInfo {
        self.gpu.info()
    }
    fn stored(&self, path: &str) -> Option<(DType, usize)> {
        self.gpu.stored(path)
    }
    fn create(&mut self, path: &str, dtype: DType, len: usize) -> Result<()> {
        self.call().create(path, dtype, len)
    }
    fn write(&mut self, path: &str, offset: usize, data: &HostBuf) -> Result<()> {
        self.call().write(path, offset, data)
    }
    fn read(&mut self, path: &str) -> Result<HostBuf> {
        self.call().read(path)
    }
    fn load(&mut self, plan: &Plan) -> Result<PlanId> {
        self.call().load(plan)
    }
    fn submit(&mut self, plan: PlanId, rows: &[StepRow]) -> Result<Ticket> {
        self.call().submit(plan, rows)
    }
    fn fetch(&mut self, ticket: Ticket) -> Result<Vec<Vec<f32>>> {
        if self.hangs && self.left.get() == 1 {
            return Err(Error::Hung("the device did not finish its work in 60 s".into()));
        }
        self.call().fetch(ticket)
    }
    fn clear(&mut self) {
        self.gpu.clear();
    }
    fn profile(&mut self, plan: PlanId, row: &StepRow) -> Result<Vec<Span>> {
        self.call().profile(plan, row)
    }
}

/// A fresh device; None where `ELBO_GPU_TESTS=skip` says that there is none.
fn gpu() -> Option<Gpu> {
    if std::env::var("ELBO_GPU_TESTS").as_deref() == Ok("skip") {
        eprintln!("ELBO_GPU_TESTS=skip: a test of tests/faults.rs was NOT run");
        return None;
    }
    let found = adapter(&Choice::Gpu).unwrap().expect("an adapter");
    Some(Gpu::new(Context::open(&found, false).unwrap()))
}

fn config() -> Config {
    let mut table = config::load("vae").unwrap();
    let steps = format!("train.steps={STEPS}");
    let small = ["model.hidden=[16]", "model.latent=3", "train.batch=32", "train.log_every=2", "checkpoint.every=4"];
    for setting in small.into_iter().chain([steps.as_str(), "data.validation=32"]) {
        config::apply(&mut table, setting).unwrap();
    }
    config::resolve(&table).unwrap()
}

fn images() -> Dataset {
    data::load("mnist", &data::Options { validation: 32, limit: 160, ..data::Options::WHOLE }).unwrap()
}

/// A whole run in which the device is destroyed at the given call of each sitting in turn, then no more.
fn sittings(at: &Path, losses: &[u64]) -> Result<(Session, Outcome)> {
    run_on(at, &Rc::new(Cell::new(0)), losses)
}

fn run_on(at: &Path, left: &Rc<Cell<u64>>, losses: &[u64]) -> Result<(Session, Outcome)> {
    let mut losses = losses.iter().copied();
    let make = || {
        left.set(losses.next().unwrap_or(0));
        let gpu = gpu().expect("looked for before");
        Session::new(Box::new(Fragile { gpu, left: left.clone(), hangs: false }), &config(), images(), None)
    };
    let options = RunOptions { out: at.join("run"), start: Start::New, quiet: true, profile: false };
    run_recovering(make, [28, 28, 1], &options)
}

fn last(run: &Path) -> Vec<u8> {
    fs::read(run.join(format!("run/checkpoints/step-{STEPS}.safetensors"))).unwrap()
}

/// The lines of metrics.jsonl but for starts, without speeds.
fn metrics(run: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run.join("run/metrics.jsonl")).unwrap();
    let mut lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    lines.retain(|v| v["kind"] != "start");
    lines.iter_mut().for_each(|v| _ = v.as_object_mut().unwrap().remove("examples_per_s"));
    lines
}

/// How many calls an undisturbed run makes of its device.
fn calls(at: &Path) -> u64 {
    let left = Rc::new(Cell::new(0));
    run_on(at, &left, &[u64::MAX]).unwrap();
    u64::MAX - left.get()
}

#[test]
fn a_device_lost_at_any_call_is_opened_again_and_the_run_ends_in_the_same_bits() {
    if gpu().is_none() {
        return;
    }
    let undisturbed = tempfile::tempdir().unwrap();
    let calls = calls(undisturbed.path());
    assert!(calls > 40, "only {calls} calls");
    // From the first call to the last, with a stride that meets every kind of them.
    for at in (1..=calls).step_by(calls as usize / 13) {
        let dir = tempfile::tempdir().unwrap();
        let (_, outcome) = sittings(dir.path(), &[at]).unwrap_or_else(|e| panic!("lost at call {at}: {e}"));
        assert!(matches!(outcome.ending, Ending::Done(_)) && outcome.steps == STEPS);
        assert!(last(dir.path()) == last(undisturbed.path()), "lost at call {at} of {calls}: other bytes");
        assert_eq!(metrics(dir.path()), metrics(undisturbed.path()), "lost at call {at} of {calls}");
    }
}

#[test]
fn a_device_that_is_lost_again_and_again_ends_the_run_with_whole_checkpoints() {
    if gpu().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let whole = tempfile::tempdir().unwrap();
    let calls = calls(whole.path());
    let losses = vec![calls * 3 / 4; MAX_LOSSES as usize + 1];
    let e = sittings(dir.path(), &losses).err().expect("it was lost too often");
    let text = e.to_string();
    assert!(text.contains("was lost, as 3 times before in this run") && text.contains("--resume"), "{text}");
    assert_eq!((e.exit_code(), text.lines().count()), (1, 1));
    let saved: Saved = checkpoint::latest(&dir.path().join("run")).unwrap().expect("a checkpoint");
    assert!(saved.step > 0);
}

#[test]
fn a_lost_device_says_so_at_every_call_and_panics_at_none() {
    let Some(mut gpu) = gpu() else { return };
    gpu.create("a", DType::F32, 4).unwrap();
    gpu.context().device.destroy();
    let lost = |what: &str, r: Result<()>| match r {
        Err(Error::Lost(text)) => assert!(text.ends_with("was lost"), "{text}"),
        other => panic!("{what}: {other:?}"),
    };
    lost("read", gpu.read("a").map(|_| ()));
    lost("create", gpu.create("b", DType::F32, 4));
    lost("write", gpu.write("a", 0, &vec![1.0f32; 4].into()));
    lost("load", gpu.load(&product(64)).map(|_| ()));
}

/// A plan that multiplies two matrices of n×n.
fn product(n: usize) -> Plan {
    let graph = Graph::new();
    let square = |name: &str| graph.input(name, &[n, n]);
    let y = graph.pack("out/y", &[square("a").matmul(square("b"))], vec![0], n * n);
    let layout = elbo::graph::ParamLayout::new(graph.params(), usize::MAX).unwrap();
    elbo::plan::compile("product", &graph, &[y], &layout, elbo::plan::Options::default()).unwrap()
}

#[test]
fn a_device_that_does_not_finish_ends_in_a_sentence() {
    let Some(mut gpu) = gpu() else { return };
    let n = 1024;
    for name in ["in/a", "in/b"] {
        gpu.create(name, DType::F32, n * n).unwrap();
    }
    gpu.create("out/y", DType::F32, n * n).unwrap();
    let plan = gpu.load(&product(n)).unwrap();
    gpu.set_patience(Duration::from_micros(1));
    // Some seconds of work on a software adapter.
    let ticket = gpu.submit(plan, &[StepRow::new(0, 0, 0, 1); LOG_ROWS]);
    let e = ticket.and_then(|t| gpu.fetch(t)).expect_err("69 GFLOP took no time");
    let text = e.to_string();
    assert!(text.contains("did not finish its work in 0.000001 s"), "{text}");
    assert_eq!((e.exit_code(), text.lines().count()), (1, 1));
    // Nor does leaving it wait: a command must come to the line that prints the sentence.
    let (done, software) = (Arc::new(AtomicBool::new(false)), is_software(&gpu.context().info));
    let flag = done.clone();
    gpu.context().queue.on_submitted_work_done(move || flag.store(true, Ordering::Relaxed));
    drop(gpu);
    assert!(!software || !done.load(Ordering::Relaxed), "dropping the device waited for its work");
}

/// The verdicts of `check` over three kernels on a device that goes at the given call, counted over all of them.
fn verdicts(left: &Rc<Cell<u64>>, at: u64, hangs: bool) -> Vec<Verdict> {
    left.set(at);
    let kernels = ["fill", "assign", "log_row"].map(kernel);
    let mut open = || {
        Ok(Box::new(Fragile { gpu: gpu().expect("looked for before"), left: left.clone(), hangs }) as Box<dyn Executor>)
    };
    let executor = open().unwrap();
    prove(&kernels, executor, &mut open, &mut |_| Ok(())).unwrap()
}

#[test]
fn check_opens_a_lost_device_again_and_leaves_a_hanging_one() {
    if gpu().is_none() {
        return;
    }
    let left = Rc::new(Cell::new(0));
    assert!(verdicts(&left, u64::MAX, false).iter().all(|v| v.ok() && !v.wrong()));
    let calls = u64::MAX - left.get();
    // In the middle of the second kernel: fill's cases are the fewest calls.
    for hangs in [false, true] {
        let v = verdicts(&left, calls / 2, hangs);
        let faults: Vec<String> = v[1].failed.iter().map(|o| o.fault.as_ref().unwrap().to_string()).collect();
        let [fault] = &faults[..] else { panic!("{faults:?}") };
        assert!(fault.contains(if hangs { "did not finish" } else { "was lost" }), "{fault}");
        assert!(v[0].ok() && !v[1].ok() && !v[1].wrong() && v[1].cases > 0, "hangs: {hangs}");
        assert_eq!((v[2].ok(), v[2].cases > 0), (!hangs, !hangs));
    }
}

//! The benchmark runner: what it prints, what it refuses to time, how two runs are compared, and the profile of a run. How
//! long anything takes is nowhere asserted.

mod common;
#[path = "common/run.rs"]
mod run;

use elbo::bench::{Baseline, Format, Record, Sheet, Spread, bench_ceilings, bench_kernels, kinds};
use elbo::check::{Observed, Proof, check, judge, observe};
use elbo::exec::{Cpu, DeviceInfo, Executor, PlanId, Reference, Span, Ticket};
use elbo::kernels::{Call, Case, Field, In, Kernel, Out, REGISTRY, StepRow, Work, kernel};
use elbo::plan::{MAX_LOOP, Plan};
use elbo::values::{Bound, DType, HostBuf, Result};
use run::{elbo, fast_devices, session, settings, succeeds};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

fn objects(text: &str) -> Vec<Map<String, Value>> {
    text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
}

/// Every field is there, and each number is one.
fn has(o: &Map<String, Value>, words: &[&str], numbers: &[&str]) {
    words.iter().for_each(|w| assert!(o.get(*w).is_some_and(Value::is_string), "{w} of {o:?}"));
    numbers.iter().for_each(|n| assert!(o.get(*n).and_then(Value::as_f64).is_some_and(|v| v >= 0.0), "{n} of {o:?}"));
}

// --- What is timed ----------------------------------------------------------------------------------------------------

#[test]
fn every_kernel_has_cases_to_be_timed_by() {
    for &k in REGISTRY {
        let timed = k.timed();
        assert!(!timed.is_empty(), "{} is timed by nothing", k.name());
        let names: BTreeSet<&str> = timed.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names.len(), timed.len(), "{}: two timed cases share a name", k.name());
        for case in &timed {
            let (what, w) = (format!("{}, {}", k.name(), case.name), k.work(&case.call));
            assert_eq!(case.call.consts.len(), k.overrides().len(), "{what}: overrides");
            assert_eq!(case.call.params.len(), k.fields().len(), "{what}: Params");
            assert!(w.loop_bound <= MAX_LOOP, "{what}: {} iterations", w.loop_bound);
            let reads = k.reads(&case.call);
            assert!(reads.iter().zip(&case.ins).all(|(n, b)| *n <= b.len()), "{what}: reads {reads:?}");
            for (out, stride) in case.outs.iter().zip(w.strides) {
                assert!(out.len() >= w.items * stride, "{what}: an output of {} for {w:?}", out.len());
            }
        }
    }
    // What the step of the VAE is made of.
    let names: Vec<String> = kernel("matmul_vec4").timed().into_iter().map(|c| c.name).collect();
    for name in ["nn 512x512x512", "nt 128x400x784", "nt 128x784x400", "tn 784x400x128", "tn 400x784x128"] {
        assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
    }
}

/// A kernel whose twin at f32 is off in the last element.
struct Wrong(&'static dyn Kernel);

impl Kernel for Wrong {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn wgsl(&self) -> &'static str {
        self.0.wgsl()
    }
    fn overrides(&self) -> &'static [&'static str] {
        self.0.overrides()
    }
    fn fields(&self) -> &'static [Field] {
        self.0.fields()
    }
    fn updates(&self) -> &'static [usize] {
        self.0.updates()
    }
    fn work(&self, call: &Call) -> Work {
        self.0.work(call)
    }
    fn reads(&self, call: &Call) -> Vec<usize> {
        self.0.reads(call)
    }
    fn reals(&self, call: &Call) -> u32 {
        self.0.reals(call)
    }
    fn describe(&self, call: &Call) -> String {
        self.0.describe(call)
    }
    fn cases(&self) -> Vec<Case> {
        self.0.cases()
    }
    fn timed(&self) -> Vec<Case> {
        self.0.timed()
    }
    fn run_f64(&self, c: &Call, s: &StepRow, ins: &[In<f64>], outs: &mut [Out<f64>], items: Range<usize>) {
        self.0.run_f64(c, s, ins, outs, items);
    }
    fn run_f32(&self, c: &Call, s: &StepRow, ins: &[In<f32>], outs: &mut [Out<f32>], items: Range<usize>) {
        let last = items.end == self.0.work(c).items;
        self.0.run_f32(c, s, ins, outs, items);
        if last {
            *outs[0].f().last_mut().unwrap() += 1.0;
        }
    }
    fn run_bound(&self, c: &Call, s: &StepRow, ins: &[In<Bound>], outs: &mut [Out<Bound>], items: Range<usize>) {
        self.0.run_bound(c, s, ins, outs, items);
    }
}

#[test]
fn a_wrong_kernel_is_not_timed() {
    let mut lines = Vec::new();
    let mut take = |r: Record| {
        lines.push(r);
        Ok(())
    };
    bench_kernels(&mut Cpu::cpu(), &[kernel("jacobian_penalty")], &mut take).unwrap();
    let wrong: &'static dyn Kernel = Box::leak(Box::new(Wrong(kernel("jacobian_penalty"))));
    let e = bench_kernels(&mut Cpu::cpu(), &[wrong], &mut take).expect_err("this should be refused");
    assert_eq!((e.exit_code(), lines.len()), (1, 1), "{e}");
    let text = e.to_string();
    assert!(text.contains("the kernel jacobian_penalty computes wrong values") && text.contains("not timed"), "{text}");
}

/// Of a large case the oracle sees a part: an error there, and a number that is none anywhere, are found.
#[test]
fn a_part_of_the_oracle_finds_what_is_wrong() {
    let case = kernel("matmul_vec4").timed().remove(0);
    let proof = Proof::spread(kernel("matmul_vec4"), case.clone(), 1 << 23);
    let mut e = Cpu::cpu();
    assert!(check(&mut e, &proof).fault.is_none());
    let seen = observe(&mut e, &proof).unwrap();
    let n = case.outs[0].len();
    let falsified = |at: usize, v: f32| {
        let mut outs = seen.outs[0].f32().to_vec();
        outs[at] = v;
        let outs = vec![HostBuf::F32(outs)];
        judge(&proof, &Observed { ins: seen.ins.clone(), outs: outs.clone(), again: outs }).fault
    };
    for at in [0, 511, n - 512, n - 1] {
        assert!(falsified(at, 0.0).is_some(), "a wrong element {at}");
    }
    for at in [1024, n / 2, n - 1000] {
        assert!(falsified(at, f32::NAN).is_some(), "no number at {at}");
    }
    let unseen = (0..n).filter(|&at| falsified_is_unseen(&proof, at)).count();
    assert!(unseen > n / 2, "the oracle has seen all but {unseen} of {n}");
}

fn falsified_is_unseen(proof: &Proof, at: usize) -> bool {
    let elbo::check::Want::Reals { allowed, .. } = &proof.wants[0] else { panic!("reals") };
    allowed[at].is_infinite()
}

/// An executor on which one number of what is read back is off.
struct Lying(Reference);

impl Executor for Lying {
    fn info(&self) -> &DeviceInfo {
        self.0.info()
    }
    fn stored(&self, path: &str) -> Option<(DType, usize)> {
        self.0.stored(path)
    }
    fn create(&mut self, path: &str, dtype: DType, len: usize) -> Result<()> {
        self.0.create(path, dtype, len)
    }
    fn write(&mut self, path: &str, offset: usize, data: &HostBuf) -> Result<()> {
        self.0.write(path, offset, data)
    }
    fn read(&mut self, path: &str) -> Result<HostBuf> {
        let mut y = self.0.read(path)?.f32().to_vec();
        y[99] += 1.0;
        Ok(y.into())
    }
    fn load(&mut self, plan: &Plan) -> Result<PlanId> {
        self.0.load(plan)
    }
    fn submit(&mut self, plan: PlanId, rows: &[StepRow]) -> Result<Ticket> {
        self.0.submit(plan, rows)
    }
    fn fetch(&mut self, ticket: Ticket) -> Result<Vec<Vec<f32>>> {
        self.0.fetch(ticket)
    }
    fn clear(&mut self) {
        self.0.clear();
    }
    fn profile(&mut self, plan: PlanId, row: &StepRow) -> Result<Vec<Span>> {
        self.0.profile(plan, row)
    }
}

#[test]
fn ceilings_of_a_device_that_errs_are_refused() {
    let e = bench_ceilings(&mut Lying(Reference::reference()), &mut |_| Ok(())).expect_err("this should be refused");
    assert!(
        e.to_string().contains("computes wrong values, and is not measured") && e.to_string().contains("at 99"),
        "{e}"
    );
}

#[test]
fn ceilings_of_the_cpu_are_three_lines() {
    let dir = tempfile::tempdir().unwrap();
    let lines = objects(&succeeds(dir.path(), "bench ceilings --device cpu --json").0);
    let what: Vec<&str> = lines.iter().map(|l| l["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["fma", "memory", "cache"]);
    for l in &lines {
        has(l, &["bench", "device", "adapter", "case"], &["us", "us_min", "us_q1", "us_q3", "gflops", "gbytes"]);
    }
    assert!(lines[0]["gflops"].as_f64() > Some(0.0) && lines[1]["gbytes"].as_f64() > Some(0.0), "{lines:?}");
}

// --- Lines ------------------------------------------------------------------------------------------------------------

fn info() -> DeviceInfo {
    DeviceInfo { device: "cpu", adapter: "a \"quoted\", name".into(), driver: String::new(), binding_elements: 1 }
}

fn line(kernel: &str, us: f64) -> Record {
    let spread = Spread::of(vec![us * 0.99, us, us * 1.01, us * 0.98, us * 1.02]);
    let record = Record::new(&kinds::KERNELS, &info()).with("kernel", kernel).with("case", "[3], [4]").spread(spread);
    record.with("list", vec![1, 2]).with("rate", f64::NAN)
}

#[test]
fn csv_has_a_row_for_each_line_of_json() {
    let lines = || [line("a", 10.0), line("b", 20.0), line("c", 30.0)];
    let written = |format| {
        let mut sheet = Sheet::new(format, None);
        lines().map(|l| sheet.line(l).unwrap()).concat()
    };
    let json = objects(&written(Format::Json));
    let csv = written(Format::Csv);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let head: Vec<String> = reader.headers().unwrap().iter().map(String::from).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(|r| r.unwrap()).collect();
    assert_eq!((rows.len(), json.len()), (3, 3));
    for (row, object) in rows.iter().zip(&json) {
        // All but the list.
        assert_eq!(head.len() + 1, object.len());
        for (name, cell) in head.iter().zip(row) {
            match &object[name] {
                Value::String(s) => assert_eq!(cell, s),
                Value::Null => assert_eq!(cell, ""),
                v => assert_eq!(cell.parse::<f64>().unwrap(), v.as_f64().unwrap()),
            }
        }
    }
    assert_eq!(written(Format::Text).lines().count(), 5, "the device, the head, and the rows");
}

#[test]
fn a_spread_is_in_order() {
    let s = Spread::of(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
    assert_eq!((s.samples, s.min, s.q1, s.median, s.q3), (5, 1.0, 2.0, 3.0, 4.0));
    assert_eq!(Spread::of(vec![7.0]), Spread { samples: 1, min: 7.0, q1: 7.0, median: 7.0, q3: 7.0 });
}

#[test]
fn a_baseline_shows_what_moved_beyond_the_noise() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("before.json");
    let before = [line("same", 10.0), line("near", 10.0), line("faster", 20.0), line("slower", 10.0)];
    let other = r#"{"bench":"train"}"#.to_string() + "\n\n";
    std::fs::write(&file, other + &before.iter().map(Record::json).collect::<String>()).unwrap();
    let baseline = Baseline::read(&file, &kinds::KERNELS).unwrap();
    for (name, us, want, ratio) in [
        ("same", 10.0, "same", Some(1.0)),
        ("near", 10.1, "same", Some(1.01)),
        ("faster", 10.0, "faster", Some(0.5)),
        ("slower", 30.0, "slower", Some(3.0)),
        ("other", 10.0, "new", None),
    ] {
        let line = baseline.compare(line(name, us));
        assert_eq!(line.get("moved").as_str(), Some(want), "{name}");
        let got = line.get("ratio").as_f64();
        assert!(
            got.is_none() == ratio.is_none() && (got.unwrap_or(0.0) - ratio.unwrap_or(0.0)).abs() < 1e-9,
            "{got:?}"
        );
    }
}

#[test]
fn the_command_compares_with_an_earlier_run() {
    let dir = tempfile::tempdir().unwrap();
    let command = "bench kernels --device cpu --only gate";
    let out = succeeds(dir.path(), &format!("{command} --json")).0;
    let lines = objects(&out);
    assert_eq!(lines.len(), kernel("gate").timed().len());
    for l in &lines {
        let numbers = ["us", "us_min", "us_q1", "us_q3", "gflops", "gbytes", "percent", "flops", "bytes", "samples"];
        has(l, &["bench", "device", "adapter", "kernel", "case", "ceiling"], &numbers);
    }
    // As if it had been far faster once.
    let doctored = |mut o: Map<String, Value>| {
        for name in ["us", "us_q1", "us_q3"] {
            o[name] = serde_json::json!(o[name].as_f64().unwrap() * 1e-4);
        }
        format!("{}\n", Value::Object(o))
    };
    std::fs::write(dir.path().join("b.json"), lines.into_iter().map(doctored).collect::<String>()).unwrap();
    let text = succeeds(dir.path(), &format!("{command} --baseline b.json")).0;
    assert!(
        text.lines().nth(1).unwrap().ends_with("moved") && text.lines().nth(2).unwrap().ends_with("slower"),
        "{text}"
    );
}

#[test]
fn a_malformed_baseline_is_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let good = line("a", 10.0).json();
    let files = [
        ("garbage", "what is this\n".to_string(), "line 1 is no JSON object"),
        ("array", "[1, 2]\n".into(), "line 1 is no JSON object"),
        ("cut", format!("{good}{}", &good[..30]), "line 2 is no JSON object"),
        ("nameless", "{\"us\":1}".into(), "line 1 has no `bench`"),
        ("keyless", good.replace("\"case\"", "\"cose\""), "line 1 has no `case`"),
        ("timeless", good.replace("\"us_q3\"", "\"us_qq\""), "line 1 has no time `us_q3`"),
        ("words", good.replace("\"us\":10", "\"us\":\"ten\",\"x\":10"), "line 1 has no time `us`"),
        ("empty", String::new(), "holds no line of `elbo bench kernels --json`"),
        ("another", "{\"bench\":\"train\"}\n".into(), "holds no line of `elbo bench kernels --json`"),
    ];
    for (name, text, want) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
        let o = elbo(dir.path(), &format!("bench kernels --device cpu --only gate --baseline {name}"));
        let err = String::from_utf8(o.stderr).unwrap();
        assert_eq!((o.status.code(), o.stdout.len(), err.lines().count()), (Some(2), 0, 1), "{name}: {err}");
        assert!(err.contains(want), "{name}: {err}");
    }
    let o = elbo(dir.path(), "bench train --device cpu --baseline nowhere.json");
    assert_eq!((o.status.code(), o.stdout.len()), (Some(2), 0), "{}", String::from_utf8_lossy(&o.stderr));
}

// --- Commands ---------------------------------------------------------------------------------------------------------

#[test]
fn several_recipes_and_batches_are_a_line_each() {
    let dir = tempfile::tempdir().unwrap();
    let more = "--device cpu --timed-steps 2 --set data.limit=128 --set model.hidden=[16] --json";
    let lines = objects(&succeeds(dir.path(), &format!("bench train --recipe vae,ae --batch 16,32 {more}")).0);
    let pairs: Vec<(&str, u64)> =
        lines.iter().map(|l| (l["recipe"].as_str().unwrap(), l["batch"].as_u64().unwrap())).collect();
    assert_eq!(pairs, [("vae", 16), ("vae", 32), ("ae", 16), ("ae", 32)]);
    for l in &lines {
        let numbers = ["step_ms", "step_ms_min", "step_ms_q1", "step_ms_q3", "examples_per_s", "dispatches", "flops"];
        has(l, &["device", "adapter"], &[&numbers[..], &["bytes_moved", "bytes_least", "peak_bytes"]].concat());
    }
}

#[test]
fn scale_has_a_line_for_each_batch_and_width() {
    let dir = tempfile::tempdir().unwrap();
    let words = "bench scale --device cpu --batch 16,64 --width 32 --set data.limit=256 --json";
    let lines = objects(&succeeds(dir.path(), words).0);
    let got: Vec<(Option<u64>, Option<u64>)> =
        lines.iter().map(|l| (l["batch"].as_u64(), l["width"].as_u64())).collect();
    assert_eq!(got, [(Some(16), None), (Some(64), None), (Some(128), Some(32))]);
    for l in &lines {
        has(l, &["device", "adapter", "recipe"], &["step_ms", "examples_per_s", "mflop_per_example", "gflops"]);
        let n = |key: &str| l[key].as_f64().unwrap();
        let product = n("examples_per_s") * n("mflop_per_example") * 1e-3;
        assert!((product / n("gflops") - 1.0).abs() < 1e-9, "{l:?}");
    }
}

#[test]
fn startup_is_measured_by_the_program_itself() {
    let dir = tempfile::tempdir().unwrap();
    let lines = objects(&succeeds(dir.path(), "bench startup --device cpu --runs 2 --set data.limit=256 --json").0);
    assert_eq!(lines.len(), 1, "on the host nothing is compiled: {lines:?}");
    has(&lines[0], &["device", "adapter", "recipe"], &["ms", "ms_min", "exit_ms"]);
    assert_eq!((lines[0]["cache"].as_str(), lines[0]["samples"].as_u64()), (Some("warm"), Some(2)));
    assert!(lines[0]["ms_min"].as_f64() <= lines[0]["exit_ms"].as_f64(), "{lines:?}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left here");
    let o = elbo(dir.path(), "bench startup --device cpu --runs 1 --set model.nothing=1");
    assert_eq!(o.status.code(), Some(2), "{}", String::from_utf8_lossy(&o.stderr));
}

// --- The profile of a run ---------------------------------------------------------------------------------------------

/// What training leaves, but for its speed.
fn left(run: &Path) -> (Vec<u8>, Vec<Map<String, Value>>) {
    let mut lines = objects(&std::fs::read_to_string(run.join("metrics.jsonl")).unwrap());
    lines.iter_mut().for_each(|l| drop(l.remove("examples_per_s")));
    (std::fs::read(run.join("checkpoints/step-40.safetensors")).unwrap(), lines)
}

#[test]
fn a_profile_changes_no_bit_of_the_run_and_has_an_event_for_each_dispatch() {
    for device in fast_devices() {
        let dir = tempfile::tempdir().unwrap();
        let set = ["data.limit=512", "model.hidden=[16]", "train.batch=32", "train.log_every=7", "checkpoint.every=9"];
        let words = format!("train vae --device {device} --steps 40 --quiet --set {}", set.join(" --set "));
        succeeds(dir.path(), &format!("{words} --out plain"));
        succeeds(dir.path(), &format!("{words} --out profiled --profile"));
        let [plain, profiled] = ["plain", "profiled"].map(|name| dir.path().join(name));
        assert!(left(&plain) == left(&profiled), "{device}: a profiled run is another");
        assert!(!plain.join("profile.json").exists());

        let text = std::fs::read_to_string(profiled.join("profile.json")).unwrap();
        let trace: Value = serde_json::from_str(&text).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let plan = session(&device, &settings("vae", &set)).train.plan;
        let steps: BTreeSet<u64> = events.iter().map(|e| e["args"]["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, (6..=15).collect(), "{device}: ten steps, after five");
        assert_eq!(events.len(), steps.len() * plan.dispatches.len(), "{device}");
        let mut last = f64::NEG_INFINITY;
        for (e, d) in events.iter().zip(plan.dispatches.iter().cycle()) {
            assert_eq!((e["ph"].as_str(), e["cat"].as_str()), (Some("X"), Some(d.kernel.name())));
            let name = e["name"].as_str().unwrap();
            assert!(name.starts_with(d.kernel.name()) && name.ends_with(d.scope.as_str()), "{name} for {}", d.scope);
            let (ts, dur) = (e["ts"].as_f64().unwrap(), e["dur"].as_f64().unwrap());
            assert!(ts >= last && dur >= 0.0, "{device}: {e}");
            last = ts;
        }
        let table = std::fs::read_to_string(profiled.join("profile.txt")).unwrap();
        for d in &plan.dispatches {
            assert!(table.contains(d.kernel.name()), "{device}: {} in\n{table}", d.kernel.name());
        }
    }
}

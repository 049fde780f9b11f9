//! Runs that last: killed, stopped, damaged and resumed, a run ends in the bytes of one that nothing happened to.
#![cfg(unix)]

use elbo::checkpoint;
use elbo::values::{Philox, stream};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Steps that no test waits for.
const ENDLESS: &str = "1000000";
/// A model of milliseconds a step, on the pictures of [`folder`].
const SMALL: &str = "--quiet --set data.name=data --set model.hidden=[32] --set model.latent=4 --set train.batch=32 \
                     --set train.log_every=3";

/// A folder with `data`: 448 training pictures of 8×8, 64 for testing.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    for (part, n) in [("train", 448u32), ("t10k", 64)] {
        let random = Philox::new(7, stream(part, 0), 0);
        let head = [0x803, n, 8, 8].into_iter().flat_map(u32::to_be_bytes);
        let pixels = (0..64 * u64::from(n)).map(|i| (random.unit(i) * 256.0) as u8);
        fs::write(data.join(format!("{part}-images-idx3-ubyte")), head.chain(pixels).collect::<Vec<_>>()).unwrap();
    }
    dir
}

/// `elbo train vae`, small, with more words.
fn train(at: &Path, device: &str, more: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elbo"));
    command.env("NODEVICE_SELECT", "1").current_dir(at);
    command.args(["train", "vae", "--device", device]).args(SMALL.split_whitespace()).args(more.split_whitespace());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end: exit code and stderr.
#[track_caller]
fn finish(command: &mut Command) -> (i32, String) {
    let o = command.output().unwrap();
    let err = String::from_utf8(o.stderr).unwrap();
    assert!(!err.contains("panicked"), "{err}");
    (o.status.code().unwrap_or_else(|| panic!("{}: {err}", o.status)), err)
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let (code, err) = finish(command);
    assert_eq!(code, 0, "{err}");
    err
}

/// One sentence on stderr with these words.
#[track_caller]
fn refused(command: &mut Command, code: i32, words: &[&str]) {
    let (found, err) = finish(command);
    assert_eq!((found, err.lines().count()), (code, 1), "{err}");
    words.iter().for_each(|w| assert!(err.contains(w), "no {w:?} in {err}"));
}

/// The steps that a run has checkpoints of.
fn steps(run: &Path) -> Vec<u64> {
    let number = |n: String| n.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok();
    let entries = fs::read_dir(run.join("checkpoints")).into_iter().flatten();
    let mut all: Vec<u64> = entries.filter_map(|e| number(e.unwrap().file_name().into_string().unwrap())).collect();
    all.sort();
    all
}

fn file(run: &Path, step: u64) -> PathBuf {
    run.join(format!("checkpoints/step-{step}.safetensors"))
}

/// The objects of metrics.jsonl by kind and step, without what depends on time and on sittings. None is there twice.
#[track_caller]
fn metrics(run: &Path) -> BTreeMap<(String, u64), Map<String, Value>> {
    let mut all = BTreeMap::new();
    for line in fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines() {
        let mut o: Map<String, Value> = serde_json::from_str(line).unwrap();
        o.remove("examples_per_s");
        let key = (o["kind"].as_str().unwrap().to_string(), o["step"].as_u64().unwrap());
        if key.0 != "start" {
            assert!(all.insert(key.clone(), o).is_none(), "{key:?} twice");
        }
    }
    all
}

/// The same last checkpoint, byte by byte, the same metrics, and nothing half-written.
#[track_caller]
fn same(one: &Path, two: &Path, step: u64) {
    assert_eq!((steps(one).last(), steps(two).last()), (Some(&step), Some(&step)));
    assert!(fs::read(file(one, step)).unwrap() == fs::read(file(two, step)).unwrap(), "other bytes at step {step}");
    assert_eq!(metrics(one), metrics(two));
    for run in [one, two] {
        whole(run);
    }
}

/// Two checkpoints at most, `latest` names the newest, no temporary file.
#[track_caller]
fn whole(run: &Path) {
    let all = steps(run);
    assert!(all.len() <= 2, "{all:?}");
    let latest = fs::read_to_string(run.join("checkpoints/latest")).unwrap();
    assert_eq!(latest, format!("step-{}.safetensors\n", all.last().unwrap()));
    assert_eq!(temporary(run), Vec::<PathBuf>::new());
}

fn temporary(run: &Path) -> Vec<PathBuf> {
    let entries = [run.to_path_buf(), run.join("checkpoints")].map(|d| fs::read_dir(d).unwrap());
    entries.into_iter().flatten().map(|e| e.unwrap().path()).filter(|p| p.extension() == Some("tmp".as_ref())).collect()
}

/// Waits until a run has something to show; a run that ends before that has failed.
#[track_caller]
fn wait(child: &mut Child, what: &str, mut shown: impl FnMut() -> bool) {
    let start = Instant::now();
    while !shown() {
        if let Some(status) = child.try_wait().unwrap() {
            let mut err = String::new();
            std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut err).unwrap();
            panic!("it ended ({status}) before {what}: {err}");
        }
        // Only against a hang: a driver may compile for minutes on a machine that is busy.
        assert!(start.elapsed() < Duration::from_secs(900), "no {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn has_line(run: &Path, words: &[&str]) -> bool {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    text.lines().any(|l| words.iter().all(|w| l.contains(w)))
}

#[track_caller]
fn kill_9(mut child: Child) {
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

fn send(child: &Child, signal: i32) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success());
}

/// Whether there is to be a GPU.
fn gpu_wanted() -> bool {
    let skip = std::env::var("ELBO_GPU_TESTS").is_ok_and(|v| v == "skip");
    if skip {
        let _ = writeln!(std::io::stderr(), "ELBO_GPU_TESTS=skip: the GPU leg of tests/resume.rs was left out");
    }
    !skip
}

#[test]
fn epochs_killed_in_the_sixth_and_resumed_are_epochs() {
    let dir = folder();
    let at = dir.path();
    let run = at.join("killed");
    // 12 steps an epoch: neither checkpoints nor lines end where epochs do.
    let settings = "--set data.validation=64 --set checkpoint.every=7";
    let mut child = train(at, "cpu", &format!("{settings} --epochs {ENDLESS} --out killed")).spawn().unwrap();
    wait(&mut child, "a fifth epoch", || has_line(&run, &["\"kind\":\"epoch\"", "\"step\":60"]));
    kill_9(child);
    // Ten, but on a machine that was slow to kill it.
    let epochs = (steps(&run).last().unwrap() / 12 + 2).max(10);
    let err = succeeds(&mut train(at, "cpu", &format!("{settings} --epochs {epochs} --out killed --resume")));
    assert!(err.starts_with("resumed at step "), "{err}");
    succeeds(&mut train(at, "cpu", &format!("{settings} --epochs {epochs} --out whole")));
    same(&run, &at.join("whole"), 12 * epochs);
    assert_eq!(metrics(&run).keys().filter(|k| k.0 == "validation").count() as u64, epochs);
    // Resuming what is finished changes nothing.
    succeeds(&mut train(at, "cpu", &format!("{settings} --epochs {epochs} --out killed --resume")));
    same(&run, &at.join("whole"), 12 * epochs);
}

#[test]
fn a_killed_and_resumed_run_on_a_gpu_is_a_run() {
    if !gpu_wanted() {
        return;
    }
    let dir = folder();
    let at = dir.path();
    let run = at.join("killed");
    let settings = "--set checkpoint.every=5";
    let mut child = train(at, "gpu", &format!("{settings} --steps {ENDLESS} --out killed")).spawn().unwrap();
    wait(&mut child, "two checkpoints", || steps(&run).len() == 2);
    kill_9(child);
    let last = steps(&run).last().unwrap() + 7;
    succeeds(&mut train(at, "gpu", &format!("{settings} --steps {last} --out killed --resume")));
    succeeds(&mut train(at, "gpu", &format!("{settings} --steps {last} --out whole")));
    same(&run, &at.join("whole"), last);
}

#[test]
fn twenty_kills_at_random_moments_leave_a_whole_checkpoint_each() {
    let dir = folder();
    let at = dir.path();
    let run = at.join("killed");
    let random = Philox::new(3, stream("moments", 0), 0);
    let settings = "--set checkpoint.every=3";
    let (mut before, mut zero) = (0, 0);
    for i in 0..20 {
        let resume = if run.exists() { "--resume" } else { "" };
        let mut command = train(at, "cpu", &format!("{settings} --steps {ENDLESS} --out killed {resume}"));
        let child = command.spawn().unwrap();
        // The first ones die young: before the folder, before the settings, before the first checkpoint.
        let most = if i < 5 { 40.0 } else { 300.0 };
        std::thread::sleep(Duration::from_secs_f64(random.unit(i) * most / 1e3));
        let id = child.id();
        send(&child, 9);
        let o = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&o.stderr).into_owned();
        assert_eq!(o.status.signal(), Some(9), "kill {i} of {id}: {err}");
        assert!(!err.contains("WARNING"), "kill {i}: a checkpoint was not whole: {err}");
        // What it said that it began with is the newest that there was.
        if let Some(said) = err.lines().find(|l| l.starts_with("resumed at step ")) {
            assert!(said.starts_with(&format!("resumed at step {before} ")), "kill {i}: {said}");
        } else if err.contains("starting at step 0") {
            assert_eq!(before, 0, "kill {i}");
            zero += 1;
        }
        let all = steps(&run);
        for &step in &all {
            assert_eq!(checkpoint::read(&file(&run, step)).unwrap().step, step);
        }
        let now = all.last().copied().unwrap_or(0);
        assert!(now >= before, "kill {i} lost a checkpoint");
        before = now;
    }
    let last = before + 4;
    let resume = if run.exists() { "--resume" } else { "" };
    succeeds(&mut train(at, "cpu", &format!("{settings} --steps {last} --out killed {resume}")));
    succeeds(&mut train(at, "cpu", &format!("{settings} --steps {last} --out whole")));
    println!("20 kills up to step {before}, {zero} of them before the first checkpoint");
    same(&run, &at.join("whole"), last);
}

#[test]
fn a_run_killed_before_its_first_checkpoint_starts_at_step_0_and_says_so() {
    let dir = folder();
    let at = dir.path();
    let start = |run: &str, files: &[&str]| {
        let run = at.join(run);
        fs::create_dir_all(run.join("checkpoints")).unwrap();
        files.iter().for_each(|f| fs::write(run.join(f), "half").unwrap());
        run
    };
    succeeds(&mut train(at, "cpu", "--steps 4 --out whole"));
    let config = fs::read(at.join("whole/config.toml")).unwrap();
    // With its settings, and what a write that was cut off left.
    let run = start("a", &["checkpoints/step-3.safetensors.tmp", "checkpoints/latest.tmp", "metrics.jsonl.tmp"]);
    fs::write(run.join("config.toml"), config).unwrap();
    let err = succeeds(&mut train(at, "cpu", "--steps 4 --out a --resume"));
    assert!(err.contains("a has no checkpoint yet: starting at step 0"), "{err}");
    same(&run, &at.join("whole"), 4);
    // Without: killed in its first write.
    fs::create_dir(at.join("b")).unwrap();
    fs::write(at.join("b/config.toml.tmp"), "half").unwrap();
    let err = succeeds(&mut train(at, "cpu", "--steps 4 --out b --resume"));
    assert!(err.contains("b has no checkpoint yet: starting at step 0"), "{err}");
    same(&at.join("b"), &at.join("whole"), 4);
}

#[test]
fn a_signal_saves_and_says_how_to_go_on() {
    for signal in [2, 15] {
        let dir = folder();
        let at = dir.path();
        let run = at.join("my run's");
        let settings = "--set checkpoint.every=1000000";
        let mut command = train(at, "cpu", &format!("{settings} --steps {ENDLESS} --out"));
        let mut child = command.arg("my run's").spawn().unwrap();
        wait(&mut child, "a line", || has_line(&run, &["\"kind\":\"train\""]));
        send(&child, signal);
        let o = child.wait_with_output().unwrap();
        let err = String::from_utf8(o.stderr).unwrap();
        assert_eq!((o.status.code(), o.stdout.as_slice()), (Some(128 + signal), &[][..]), "{err}");
        let step = *steps(&run).last().expect("a checkpoint");
        assert_eq!(checkpoint::read(&file(&run, step)).unwrap().step, step);
        let told = err.trim_end().strip_prefix(&format!("stopped and saved at step {step}; go on with: "));
        let told = told.unwrap_or_else(|| panic!("{err}"));
        // As a shell reads it; only not without end.
        let last = step + 5;
        let line = told.replace(&format!("--steps {ENDLESS}"), &format!("--steps {last}"));
        let bin = Path::new(env!("CARGO_BIN_EXE_elbo")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        let err = succeeds(shell.args(["-c", &line]).env("PATH", path).current_dir(at));
        assert_eq!(err, format!("resumed at step {step} of {last}\n"), "{line}");
        succeeds(&mut train(at, "cpu", &format!("{settings} --steps {last} --out whole")));
        same(&run, &at.join("whole"), last);
    }
}

/// Whether every signal that was sent to a process has reached it; where the system does not tell, after a while.
fn none_pending(id: u32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{id}/status")) else {
        std::thread::sleep(Duration::from_secs(1));
        return true;
    };
    let pending = status.lines().filter_map(|l| l.strip_prefix("ShdPnd:").or(l.strip_prefix("SigPnd:")));
    pending.into_iter().all(|mask| mask.trim().chars().all(|c| c == '0'))
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    for (first, second) in [(2, 2), (15, 2), (2, 15)] {
        let dir = folder();
        let at = dir.path();
        let run = at.join("slow");
        // The oracle, on one thread: one step of many seconds.
        let settings = "--set model.hidden=[1024,1024] --set train.batch=448 --steps 5 --out slow";
        let mut child = train(at, "reference", settings).spawn().unwrap();
        wait(&mut child, "its start", || has_line(&run, &["\"kind\":\"start\""]));
        let id = child.id();
        send(&child, first);
        // Two signals that are pending at once are one, or come in the order of their numbers.
        wait(&mut child, "the first signal's delivery", || none_pending(id));
        send(&child, second);
        assert_eq!(child.wait().unwrap().code(), Some(128 + second));
        assert!(steps(&run).is_empty(), "it saved");
    }
}

#[test]
fn other_settings_are_refused_by_name_and_length_and_device_are_not() {
    let dir = folder();
    let at = dir.path();
    let run = at.join("run");
    succeeds(&mut train(at, "cpu", "--steps 4 --out run"));
    let before = fs::read(file(&run, 4)).unwrap();
    for (words, key, here, there) in [
        ("--seed 2", "train.seed", "2", "1"),
        ("--set train.batch=16", "train.batch", "16", "32"),
        ("--set model.latent=5", "model.latent", "5", "4"),
        ("--set model.activation=tanh", "model.activation", "tanh", "relu"),
        ("--set optimizer.learning_rate=0.1", "optimizer.learning_rate", "0.1", "0.001"),
        ("--set optimizer.kind=sgd", "optimizer.", "", ""),
        ("--set checkpoint.every=3", "checkpoint.every", "3", "500"),
        ("--set data.name=mnist", "data.name", "mnist", "data"),
    ] {
        let more = format!("--steps 6 --out run --resume {words}");
        refused(&mut train(at, "cpu", &more), 2, &["run cannot be resumed with other settings", key, here, there]);
    }
    assert!(fs::read(file(&run, 4)).unwrap() == before && steps(&run) == [4]);
    // On any number of threads: no bit depends on it.
    let err = succeeds(&mut train(at, "cpu", "--steps 6 --out run --resume --threads 1"));
    assert_eq!(err, "resumed at step 4 of 6\n");
    let err = succeeds(&mut train(at, "cpu", "--epochs 1 --out run --resume"));
    assert_eq!(err, "resumed at step 6 of 14\n");
    succeeds(&mut train(at, "cpu", "--epochs 1 --out whole"));
    same(&run, &at.join("whole"), 14);
    let err = succeeds(&mut train(at, "reference", "--steps 15 --out run --resume"));
    assert!(err.contains("note: the run was on cpu (") && err.contains("goes on on reference ("), "{err}");
    assert!(err.contains("no longer bit for bit"), "{err}");

    // No run.
    refused(&mut train(at, "cpu", "--steps 6 --out nowhere --resume"), 2, &["no run to resume in nowhere"]);
    assert!(!at.join("nowhere").exists());
    refused(&mut train(at, "cpu", "--steps 6 --out data --resume"), 2, &["no run to resume in data", "config.toml"]);
}

/// Copies a run.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|e| e.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { _ = fs::copy(entry.path(), target).unwrap() }
    }
}

#[test]
fn a_bad_checkpoint_falls_back_loudly_to_the_one_before() {
    let dir = folder();
    let at = dir.path();
    let settings = "--steps 8 --set checkpoint.every=5";
    succeeds(&mut train(at, "cpu", &format!("{settings} --out whole")));
    let good = fs::read(file(&at.join("whole"), 8)).unwrap();
    assert_eq!(steps(&at.join("whole")), [5, 8]);

    // Where in the file things are.
    let header = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let text = String::from_utf8(good[8..8 + header].to_vec()).unwrap();
    let find = |what: &str| 8 + text.find(what).unwrap_or_else(|| panic!("no {what} in {text}"));
    let mut regions = vec![
        ("the length".to_string(), 0),
        ("the length, high".into(), 6),
        ("the header".into(), find("dtype") + 2),
        ("a shape".into(), find("\"shape\":[") + 9),
        ("the checksum".into(), find("checksum") + 14),
        ("the metadata".into(), find("skipped_in_a_row") + 3),
    ];
    let table: Map<String, Value> = serde_json::from_str(&text).unwrap();
    for (name, tensor) in table.iter().filter(|(name, _)| *name != "__metadata__") {
        let ends: Vec<usize> =
            tensor["data_offsets"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect();
        regions.push((name.clone(), 8 + header + ends[0] + (ends[1] - ends[0]) / 2));
    }
    assert!(regions.len() > 20, "{regions:?}");
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    for (bit, (name, place)) in regions.into_iter().enumerate() {
        let mut bytes = good.clone();
        bytes[place] ^= 1 << (bit % 8);
        cases.push((format!("a bit of {name}"), bytes));
    }
    for n in [0, 7, 8, 8 + header, good.len() - 1] {
        cases.push((format!("cut to {n} bytes"), good[..n].to_vec()));
    }
    for (name, bytes) in &cases {
        let run = at.join("bad");
        copy(&at.join("whole"), &run);
        fs::write(file(&run, 8), bytes).unwrap();
        let err = succeeds(&mut train(at, "cpu", &format!("{settings} --out bad --resume")));
        assert!(err.starts_with("WARNING: the checkpoint bad/checkpoints/step-8.safetensors"), "{name}: {err}");
        assert!(err.contains("trying the checkpoint before it\nresumed at step 5 of 8\n"), "{name}: {err}");
        same(&run, &at.join("whole"), 8);
        fs::remove_dir_all(&run).unwrap();
    }

    // A bad one of a later step does not push out a good one.
    copy(&at.join("whole"), &at.join("late"));
    fs::write(file(&at.join("late"), 99), "bad").unwrap();
    succeeds(&mut train(at, "cpu", "--steps 9 --set checkpoint.every=5 --out late --resume"));
    assert_eq!(steps(&at.join("late")), [8, 9, 99]);

    // All of them: nothing is begun anew in silence.
    copy(&at.join("whole"), &at.join("bad"));
    [5, 8].iter().for_each(|&n| fs::write(file(&at.join("bad"), n), &good[..100]).unwrap());
    let metrics = fs::read(at.join("bad/metrics.jsonl")).unwrap();
    let (code, err) = finish(&mut train(at, "cpu", &format!("{settings} --out bad --resume")));
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!((code, lines.len()), (1, 2), "{err}");
    assert!(lines[0].starts_with("WARNING: ") && lines[0].contains("step-8"), "{err}");
    assert!(lines[1].starts_with("elbo: the checkpoint bad/checkpoints/step-5.safetensors cannot be used"), "{err}");
    assert!(lines[1].ends_with("the run has no other checkpoint"), "{err}");
    assert!(fs::read(at.join("bad/metrics.jsonl")).unwrap() == metrics);
    assert!(fs::read(file(&at.join("bad"), 8)).unwrap() == good[..100]);
}

/// The same checkpoint, its checksum right, with the first shape of `name` turned around: [a, b] → [b, a].
fn turned(bytes: &[u8], name: &str) -> Vec<u8> {
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let text = String::from_utf8(bytes[8..8 + header].to_vec()).unwrap();
    let key = format!("\"{name}\":{{");
    let from = text.find(&key).unwrap() + text[text.find(&key).unwrap()..].find("\"shape\":[").unwrap() + 9;
    let to = from + text[from..].find(']').unwrap();
    let (a, b) = text[from..to].split_once(',').unwrap();
    let checksum = text.find("checksum").unwrap() + 13;
    let mut text = format!("{}{b},{a}{}", &text[..from], &text[to..]);
    assert!(text[checksum..checksum + 8].bytes().all(|c| c.is_ascii_hexdigit()), "{}", &text[checksum..]);
    text.replace_range(checksum..checksum + 8, "00000000");
    let mut all = [&bytes[..8], text.as_bytes(), &bytes[8 + header..]].concat();
    let sum = format!("{:08x}", crc32fast::hash(&all));
    all[8 + checksum..16 + checksum].copy_from_slice(sum.as_bytes());
    all
}

#[test]
fn a_checkpoint_of_other_shapes_changes_nothing() {
    let dir = folder();
    let at = dir.path();
    let run = at.join("run");
    succeeds(&mut train(at, "cpu", "--steps 4 --out run"));
    let good = fs::read(file(&run, 4)).unwrap();
    let saved = checkpoint::read(&file(&run, 4)).unwrap();
    let oblong = |n: &&str| matches!(saved.tensor(n).unwrap().0[..], [a, b] if a != b);
    let names: Vec<&str> = saved.names().filter(oblong).collect();
    assert!(names.iter().any(|n| n.starts_with("adam.v.")) && names.iter().any(|n| n.starts_with("encoder.")));
    let mut c = elbo::config::resolve(&elbo::config::load(run.join("config.toml").to_str().unwrap()).unwrap()).unwrap();
    c.data.name = at.join("data").to_str().unwrap().into();
    let data = elbo::data::load(&c.data.name, &elbo::data::Options::WHOLE).unwrap();
    let exec = elbo::exec::open(&elbo::exec::Choice::Cpu).unwrap();
    let mut session = elbo::train::Session::new(exec, &c, data, None).unwrap();
    let paths: Vec<String> = session.state().map(|s| s.path.clone()).collect();
    let state = |s: &mut elbo::train::Session| paths.iter().map(|p| s.exec.read(p).unwrap()).collect::<Vec<_>>();
    let before = state(&mut session);
    for name in names {
        fs::write(file(&run, 4), turned(&good, name)).unwrap();
        let words = ["step-4.safetensors cannot be used", name, "another model"];
        refused(&mut train(at, "cpu", "--steps 6 --out run --resume"), 1, &words);
        if !name.starts_with("adam.") {
            let saved = checkpoint::read(&file(&run, 4)).unwrap();
            let text = checkpoint::restore(&mut session, &saved, false).unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
            assert!(state(&mut session) == before, "{name}: something was written");
        }
    }
    fs::write(file(&run, 4), &good).unwrap();
    checkpoint::restore(&mut session, &checkpoint::read(&file(&run, 4)).unwrap(), false).unwrap();
    assert!(state(&mut session) != before);
}

#[test]
fn two_folders_hold_the_same_bytes_and_the_last_two_checkpoints() {
    let dir = folder();
    let at = dir.path();
    let settings = "--steps 11 --set checkpoint.every=2";
    succeeds(&mut train(at, "cpu", &format!("{settings} --out a")));
    succeeds(&mut train(at, "cpu", &format!("{settings} --threads 1 --out deep/down/b")));
    let (a, b) = (at.join("a"), at.join("deep/down/b"));
    same(&a, &b, 11);
    assert_eq!((steps(&a), steps(&b)), (vec![10, 11], vec![10, 11]));
    for name in ["checkpoints/step-10.safetensors", "checkpoints/latest", "config.toml", "samples/samples.png"] {
        assert!(fs::read(a.join(name)).unwrap() == fs::read(b.join(name)).unwrap(), "{name}");
    }
    // Neither a path nor a name of the machine is in it.
    let bytes = fs::read(file(&a, 11)).unwrap();
    let path = at.to_str().unwrap().as_bytes();
    assert!(!bytes.windows(path.len()).any(|w| w == path));
}

#[test]
fn a_run_that_breaks_leaves_the_checkpoints_before_untouched() {
    let dir = folder();
    let at = dir.path();
    // From step 12 on; the lines and checkpoints of 15 and 20 fall among steps that are skipped.
    let rate = "optimizer.learning_rate={values=[0.001,1e30],at=[0,12]}";
    let settings = format!("--set {rate} --set checkpoint.every=5 --set train.max_skipped=10");
    let (code, err) = finish(&mut train(at, "cpu", &format!("{settings} --epochs 9 --out broken")));
    assert_eq!((code, err.lines().count()), (1, 1), "{err}");
    assert!(err.contains("10 steps in a row, up to step 23, ") && err.contains("optimizer.learning_rate"), "{err}");
    whole(&at.join("broken"));
    assert_eq!(steps(&at.join("broken")), [5, 10]);
    succeeds(&mut train(at, "cpu", &format!("{settings} --steps 10 --out before")));
    let [one, two] = ["broken", "before"].map(|r| checkpoint::read(&file(&at.join(r), 10)).unwrap());
    for name in one.names() {
        assert_eq!(one.tensor(name).unwrap(), two.tensor(name).unwrap(), "{name}");
    }
    // From the beginning: the first step moves the weights, and no other does.
    let settings = "--set optimizer.learning_rate=1e30 --set checkpoint.every=1 --set train.max_skipped=4 --out never";
    refused(&mut train(at, "cpu", settings), 1, &["4 steps in a row, up to step 5, "]);
    assert_eq!(steps(&at.join("never")), [1]);
}

#[test]
fn too_little_memory_is_refused_with_the_numbers_and_enough_is_not() {
    let dir = folder();
    let at = dir.path();
    let (code, err) = finish(&mut train(at, "cpu", "--steps 2 --out run --max-memory 1KiB"));
    assert_eq!((code, err.lines().count()), (1, 1), "{err}");
    assert!(err.contains("--max-memory allows 1024"), "{err}");
    let need: u64 = err.split_whitespace().find_map(|w| w.parse().ok()).unwrap();
    assert!(need > 4 * 448 * 16, "{err}");
    let more = format!("--steps 2 --out run --max-memory {}", need - 1);
    refused(&mut train(at, "cpu", &more), 1, &[&need.to_string(), &(need - 1).to_string()]);
    assert!(!at.join("run").exists());
    succeeds(&mut train(at, "cpu", &format!("--steps 2 --out run --max-memory {need}")));
}

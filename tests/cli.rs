//! The program as a user meets it: exit codes, sentences, and what goes to which stream.

use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What a process left.
struct Done {
    code: i32,
    out: String,
    err: String,
}

/// Environment variables that hide every Vulkan driver.
const NO_DRIVER: [(&str, &str); 2] = [("VK_ICD_FILENAMES", "/nonexistent"), ("VK_DRIVER_FILES", "/nonexistent")];
/// A run of seconds.
const SHORT: &[&str] = &["--device", "cpu", "--steps", "3", "--set", "data.limit=512", "--set", "train.log_every=1"];

fn elbo_with(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elbo"));
    // Mesa's device-select layer writes to stderr where there is no display.
    command.env("NODEVICE_SELECT", "1").envs(environment.iter().copied());
    command.current_dir(folder).args(arguments);
    let o = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let done = Done { code: o.status.code().expect("no signal"), out: text(o.stdout), err: text(o.stderr) };
    for word in ["panicked", "backtrace", "RUST_BACKTRACE", "unwrap"] {
        assert!(!done.out.contains(word) && !done.err.contains(word), "{arguments:?}: {}", done.err);
    }
    done
}

fn elbo(folder: &Path, arguments: &[&str]) -> Done {
    elbo_with(folder, arguments, &[])
}

fn here() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// `train vae`, short, with more arguments.
fn train(folder: &Path, more: &[&str]) -> Done {
    elbo(folder, &[&["train", "vae"], SHORT, more].concat())
}

fn succeeds(done: Done) -> Done {
    assert_eq!(done.code, 0, "{}", done.err);
    done
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Refused: this exit code, one sentence on stderr that holds these words, nothing on stdout, nothing on disk.
#[track_caller]
fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let folder = here();
    let done = elbo(folder.path(), arguments);
    assert_eq!(done.code, code, "{arguments:?}: {}", done.err);
    assert_eq!(done.out, "", "{arguments:?}");
    assert!(done.err.starts_with("elbo: ") && done.err.ends_with('\n'), "{arguments:?}: {}", done.err);
    assert_eq!(done.err.lines().count(), 1, "{arguments:?}: {}", done.err);
    for word in words {
        assert!(done.err.contains(word), "{arguments:?}: no {word:?} in: {}", done.err);
    }
    assert_eq!(entries(folder.path()), 0, "{arguments:?} left something");
}

/// The fields of a JSON object, in its order, and those that are numbers above 0.
fn object(line: &str) -> serde_json::Map<String, Value> {
    match serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")) {
        Value::Object(o) => o,
        other => panic!("no object: {other}"),
    }
}

#[track_caller]
fn has(o: &serde_json::Map<String, Value>, texts: &[&str], numbers: &[&str]) {
    for key in texts {
        assert!(o.get(*key).is_some_and(|v| v.as_str().is_some_and(|s| !s.is_empty())), "{key} in {o:?}");
    }
    for key in numbers {
        assert!(o.get(*key).is_some_and(|v| v.as_f64().is_some_and(|n| n > 0.0)), "{key} in {o:?}");
    }
}

/// Whether there is to be a GPU.
fn gpu_wanted() -> bool {
    let skip = std::env::var("ELBO_GPU_TESTS").is_ok_and(|v| v == "skip");
    if skip {
        let _ = writeln!(std::io::stderr(), "ELBO_GPU_TESTS=skip: a GPU leg of tests/cli.rs was left out");
    }
    !skip
}

#[test]
fn wrong_words_are_refused_in_one_sentence_with_exit_code_2() {
    refused(&["train", "vea"], 2, &["`vea`", "did you mean `vae`?"]);
    refused(&["plan", "vea"], 2, &["did you mean `vae`?"]);
    refused(&["recipes", "vea"], 2, &["did you mean `vae`?"]);
    refused(&["bench", "train", "--recipe", "vea"], 2, &["did you mean `vae`?"]);
    refused(&["train", "no/such.toml"], 2, &["cannot read recipe no/such.toml"]);
    refused(&["train", "vae", "--set", "model.latnet=3"], 2, &["model.latnet", "did you mean `model.latent`?"]);
    refused(&["train", "vae", "--set", "train.batch=many"], 2, &["train.batch", "many", "whole number"]);
    refused(&["train", "vae", "--set", "train.batch=0"], 2, &["train.batch", "at least 1"]);
    refused(&["train", "vae", "--set", "train.batch"], 2, &["group.key=value"]);
    refused(&["train", "vae", "--device", "cuda"], 2, &["`cuda`", "auto, cpu, gpu, gpu:N, gpu:NAME or reference"]);
    refused(&["train", "vae", "--threads", "0", "--device", "cpu"], 2, &["--threads"]);
    refused(&["train", "vae", "--data", "no-such-folder"], 2, &["`no-such-folder`", "mnist"]);
    refused(&["train", "vae", "--epochs", "0"], 2, &["nothing to train"]);
    refused(&["train", "vae", "--epochs", "18446744073709551615"], 2, &["train.epochs", "at most"]);
    refused(&["train", "vae", "--steps", "18446744073709551615"], 2, &["train.steps", "at most"]);
    refused(&["train", "vae", "--seed", "18446744073709551615"], 2, &["train.seed", "at most"]);
}

#[test]
fn work_that_cannot_be_done_is_exit_code_1() {
    let empty = here();
    let path = empty.path().to_str().unwrap();
    refused(&["train", "vae", "--device", "cpu", "--data", path], 1, &["no training images", "train-images"]);
    refused(&["train", "vae", "--device", "gpu:99"], 1, &["99", "elbo devices"]);
    refused(&["train", "vae", "--device", "gpu:no such card"], 1, &["`no such card`", "elbo devices"]);
}

#[test]
fn more_than_the_data_holds_is_refused_with_the_numbers() {
    let folder = here();
    let done = elbo(folder.path(), &["train", "vae", "--device", "cpu", "--quiet", "--set", "data.limit=100"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(done.err.contains("100 training examples") && done.err.contains("128"), "{}", done.err);
    assert_eq!(entries(folder.path()), 0);
}

#[test]
fn train_without_a_recipe_lists_them() {
    let done = elbo(here().path(), &["train"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    let names = elbo::config::names().map(|name| format!("\n  {name}"));
    assert!(names.into_iter().all(|name| done.err.contains(&name)), "{}", done.err);
}

#[test]
fn a_run_leaves_its_folder_and_one_line_on_stdout() {
    let folder = here();
    let done = succeeds(train(folder.path(), &[]));
    assert_eq!(done.out.lines().count(), 1, "{}", done.out);
    assert!(done.out.starts_with("test -ELBO ") && done.out.contains(" nats (recon "), "{}", done.out);
    assert!(done.out.contains(", KL ") && done.out.ends_with(")\n"), "{}", done.out);
    assert!(done.err.contains("784-400-(20)-400-784") && !done.err.contains('\x1b'), "plain on a pipe: {}", done.err);
    let run = folder.path().join("runs/vae");
    for file in ["samples/samples.png", "samples/reconstructions.png", "checkpoints/step-3.safetensors"] {
        assert!(std::fs::metadata(run.join(file)).unwrap().len() > 1000, "{file}");
    }
    assert_eq!(std::fs::read_to_string(run.join("checkpoints/latest")).unwrap(), "step-3.safetensors\n");
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines: Vec<_> = metrics.lines().map(object).collect();
    let steps: Vec<_> = lines.iter().filter(|o| o["kind"] == "train").map(|o| o["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [1, 2, 3]);
    let test = lines.iter().find(|o| o["kind"] == "test").unwrap();
    let shown = format!("test -ELBO {:.2} nats", test["-ELBO"].as_f64().unwrap());
    assert!(done.out.starts_with(&shown), "{} against {test:?}", done.out);
    // A run is its own recipe: the same steps from its config.toml come to the same numbers.
    let again = ["train", "runs/vae/config.toml", "--device", "cpu", "--quiet", "--out", "again"];
    let again = succeeds(elbo(folder.path(), &again));
    assert_eq!((again.out, again.err.as_str()), (done.out, ""));
}

fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(tree(&path));
        } else {
            all.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_run_folder_that_exists_is_left_alone_unless_forced() {
    let folder = here();
    let out = folder.path().join("my run");
    succeeds(train(folder.path(), &["--quiet", "--out", "my run"]));
    std::fs::write(out.join("notes.txt"), "mine").unwrap();
    let before = tree(&out);
    let done = train(folder.path(), &["--quiet", "--out", "my run", "--seed", "2"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{}", done.err);
    assert!(done.err.contains("my run exists") && done.err.contains("--force"), "{}", done.err);
    assert!(tree(&out) == before, "something was touched");
    succeeds(train(folder.path(), &["--quiet", "--out", "my run", "--seed", "2", "--force"]));
    let after = tree(&out);
    assert_eq!(after.len(), before.len());
    assert!(after != before && std::fs::read(out.join("notes.txt")).unwrap() == b"mine", "what is not elbo's stays");
}

#[test]
fn train_prints_one_json_object() {
    let folder = here();
    let done = succeeds(train(folder.path(), &["--json", "--quiet"]));
    assert_eq!((done.out.lines().count(), done.err.as_str()), (1, ""));
    let o = object(&done.out);
    has(&o, &["recipe", "device", "adapter", "run"], &["steps", "seconds", "-ELBO", "recon", "kl"]);
    assert_eq!((o["steps"].as_u64(), o["skipped"].as_u64()), (Some(3), Some(0)));
    let n = |key: &str| o[key].as_f64().unwrap();
    assert!((n("-ELBO") - n("recon") - n("kl")).abs() < 1e-3, "{o:?}");
    assert!(folder.path().join(o["run"].as_str().unwrap()).join("config.toml").is_file());
}

#[test]
fn recipes_devices_and_plans_are_shown() {
    let folder = here();
    let show = |arguments: &[&str]| {
        let done = succeeds(elbo(folder.path(), arguments));
        assert_eq!(done.err, "", "{arguments:?}");
        done.out
    };
    let names: Vec<&str> = elbo::config::names().collect();
    let list = show(&["recipes"]);
    assert_eq!(list.lines().count(), names.len());
    for (line, name) in show(&["recipes", "--json"]).lines().zip(&names) {
        has(&object(line), &["name", "summary"], &[]);
        assert!(list.contains(&format!("  {name}")), "{list}");
    }
    assert_eq!(show(&["recipes", "vae"]), elbo::config::RECIPES.iter().find(|r| r.0 == "vae").unwrap().1);

    assert!(show(&["devices"]).contains("\nreference "));
    let json = show(&["devices", "--json"]);
    let devices: Vec<_> = json.lines().map(object).collect();
    has(&devices[0], &["device"], &["threads"]);
    for (i, d) in devices[1..].iter().enumerate() {
        assert_eq!(d["device"], format!("gpu:{i}").as_str());
        has(d, &["name", "kind", "backend"], &["max_binding_bytes", "max_buffer_bytes", "max_workgroup_bytes"]);
        assert!(d["software"].is_boolean() && d["features"].is_array(), "{d:?}");
    }
    if gpu_wanted() {
        assert!(devices.len() > 1, "no adapter (ELBO_GPU_TESTS=skip leaves the GPU legs out)");
    }

    let plan = show(&["plan", "vae"]);
    for word in ["matmul_vec4", "encoder.0", "adam", "params/model"] {
        assert!(plan.contains(word), "{word} in {plan}");
    }
    assert!(show(&["plan", "conv-ae"]).contains("of 32x32x3"), "the numbers an example are those of the data");
    assert!(show(&["plan", "vae", "--unfused"]).lines().count() > plan.lines().count());
    assert_eq!(entries(folder.path()), 0, "showing leaves nothing");
}

#[test]
fn help_and_version_go_to_stdout() {
    let folder = here();
    for arguments in [&["--help"][..], &["train", "--help"], &["bench", "train", "--help"], &["plan", "--help"]] {
        let done = succeeds(elbo(folder.path(), arguments));
        assert!(done.out.contains("Usage: elbo") && done.err.is_empty(), "{arguments:?}");
        assert!(done.out.lines().all(|l| l.chars().count() <= 100), "{arguments:?}: {}", done.out);
    }
    assert_eq!(succeeds(elbo(folder.path(), &["--version"])).out, concat!("elbo ", env!("CARGO_PKG_VERSION"), "\n"));
    // Nothing asked for, or what is not there: usage, on stderr.
    for arguments in
        [&[][..], &["trian"], &["train", "vae", "--sed", "1"], &["train", "vae", "--seed", "one"], &["plan"]]
    {
        let done = elbo(folder.path(), arguments);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{arguments:?}");
        assert!(!done.err.is_empty());
    }
}

#[test]
fn numbers_that_mean_nothing_are_refused() {
    let folder = here();
    for arguments in [
        &["bench", "train", "--timed-steps", "0"][..],
        &["plan", "vae", "--examples", "0"],
        &["plan", "vae", "--features", "0"],
        &["train", "vae", "--epochs", "-3"],
    ] {
        let done = elbo(folder.path(), arguments);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{arguments:?}: {}", done.err);
        assert!(done.err.contains(&format!("invalid value '{}'", arguments.last().unwrap())), "{}", done.err);
    }
}

#[test]
fn a_reader_that_stops_early_is_no_failure() {
    for arguments in [&["plan", "vae"][..], &["recipes"], &["recipes", "vae"], &["devices"], &["devices", "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_elbo"));
        let o = command.args(arguments).env("NODEVICE_SELECT", "1").stdout(writer).output().unwrap();
        assert_eq!((o.status.code(), o.stderr.as_slice()), (Some(0), &[][..]), "{arguments:?}");
    }
}

#[test]
fn bench_prints_one_json_object() {
    let folder = here();
    let devices: &[&str] = if gpu_wanted() { &["cpu", "gpu"] } else { &["cpu"] };
    for device in devices {
        let limit = ["--set", "data.limit=512", "--timed-steps", "4", "--json"];
        let arguments = [&["bench", "train", "--device", device][..], &limit].concat();
        let done = succeeds(elbo(folder.path(), &arguments));
        assert_eq!((done.out.lines().count(), done.err.as_str()), (1, ""));
        let o = object(&done.out);
        let numbers = ["batch", "step_ms", "step_ms_min", "examples_per_s", "dispatches", "bytes_moved", "bytes_least"];
        has(&o, &["recipe", "device", "adapter"], &[&numbers[..], &["peak_bytes"]].concat());
        assert_eq!(
            (o["device"].as_str(), o["recipe"].as_str(), o["batch"].as_u64()),
            (Some(*device), Some("vae"), Some(128))
        );
        let n = |key: &str| o[key].as_f64().unwrap();
        assert!(n("step_ms_min") <= n("step_ms") && n("bytes_least") <= n("bytes_moved"), "{o:?}");
        assert!((n("examples_per_s") * n("step_ms") / 128e3 - 1.0).abs() < 1e-6, "{o:?}");
    }
    assert_eq!(entries(folder.path()), 0);
}

#[test]
fn the_adapter_in_use_is_named() {
    if !gpu_wanted() {
        return;
    }
    let folder = here();
    let small = ["--set", "data.limit=512", "--set", "model.hidden=[16]", "--steps", "2"];
    let done = succeeds(elbo(folder.path(), &[&["train", "vae", "--device", "gpu:0"][..], &small].concat()));
    let first = elbo(folder.path(), &["devices", "--json"]);
    let adapter = object(first.out.lines().nth(1).unwrap())["name"].as_str().unwrap().to_string();
    assert!(done.err.lines().next().unwrap().contains(&adapter), "{adapter} in {}", done.err);
}

#[test]
fn without_a_driver_gpu_is_a_sentence_and_auto_is_the_cpu() {
    let folder = here();
    let train = |device: &str, environment: &[(&str, &str)]| {
        let arguments =
            ["train", "vae", "--device", device, "--steps", "2", "--set", "data.limit=512", "--json", "--quiet"];
        elbo_with(folder.path(), &[&arguments[..], &["--out", device]].concat(), environment)
    };
    // A Vulkan loader that finds no driver; and, on Linux, no loader: a file of that name that is no library.
    let broken = folder.path().join("lib");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("libvulkan.so.1"), "").unwrap();
    let no_loader = [("LD_LIBRARY_PATH", broken.to_str().unwrap())];
    let cases: &[&[(&str, &str)]] = if cfg!(target_os = "linux") { &[&NO_DRIVER, &no_loader] } else { &[] };
    for environment in cases {
        let done = train("gpu", environment);
        assert_eq!((done.code, done.out.as_str(), done.err.lines().count()), (1, "", 1), "{}", done.err);
        assert!(done.err.contains("no graphics adapter") && done.err.contains("--device cpu"), "{}", done.err);
        let done = succeeds(train("auto", environment));
        assert_eq!(object(&done.out)["device"], "cpu");
        std::fs::remove_dir_all(folder.path().join("auto")).unwrap();
        let devices = succeeds(elbo_with(folder.path(), &["devices"], environment));
        assert!(devices.out.contains("none: no driver"), "{}", devices.out);
    }
}

#[test]
fn check_reports_every_kernel_and_refuses_what_it_does_not_know() {
    let folder = here();
    let lines = |more: &[&str]| -> Vec<Value> {
        let done = succeeds(elbo(folder.path(), &[&["check", "--device", "cpu", "--json"], more].concat()));
        done.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    let all = lines(&[]);
    let names: Vec<&str> = elbo::kernels::REGISTRY.iter().map(|k| k.name()).collect();
    let (head, rest) = all.split_first().unwrap();
    let (end, kernels) = rest.split_last().unwrap();
    assert_eq!(
        (&head["record"], &head["device"], &end["record"]),
        (&"device".into(), &"cpu".into(), &"summary".into())
    );
    assert_eq!(kernels.iter().map(|k| k["kernel"].as_str().unwrap()).collect::<Vec<_>>(), names);
    for k in kernels {
        let worst = k["worst"].as_f64().unwrap();
        assert!(k["ok"] == true && k["cases"].as_u64() > Some(7) && (0.0..=1.0).contains(&worst), "{k}");
    }
    assert_eq!(
        (&end["kernels"], &end["wrong"], &end["not_run"]),
        (&names.len().into(), &Value::Array(vec![]), &Value::Array(vec![]))
    );
    let one = lines(&["--kernel", "fill"]);
    assert_eq!((one.len(), &one[1]["kernel"]), (3, &"fill".into()));
    let text = succeeds(elbo(folder.path(), &["check", "--device", "reference", "--kernel", "copy"])).out;
    assert!(text.contains("device   reference") && text.contains("1 kernel, 0 wrong"), "{text}");
    assert!(text.lines().any(|l| l.starts_with("copy ") && l.ends_with(" ok")), "{text}");
    refused(&["check", "--kernel", "softmax"], 2, &["no kernel `softmax`", "reparam"]);
    refused(&["check", "--device", "cuda"], 2, &["no device `cuda`"]);
    // What would otherwise prove other shaders than the user means.
    if !cfg!(feature = "mutants") {
        let done = elbo_with(folder.path(), &["check", "--device", "cpu"], &[("ELBO_SHADERS", "shaders")]);
        assert!(done.code == 2 && done.err.contains("--features mutants"), "{}", done.err);
    }
}

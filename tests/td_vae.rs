//! TD-VAE: its loss and gradients against JAX, what its times and frames are, and that it learns.

#[path = "common/files.rs"]
mod files;
#[path = "common/run.rs"]
mod run;

use elbo::config::{Config, Model, TdVae};
use elbo::data::{self, Dataset};
use elbo::exec::{self, Choice, Executor};
use elbo::graph::{Graph, grad};
use elbo::models::Times;
use elbo::nn::{Mode, Scope};
use elbo::train::Session;
use elbo::values::HostBuf;
use run::{fast_devices, refusal, settings};
use serde_json::Value;

/// The lengths of the fixture; see scripts/td-vae-fixtures.py.
const BATCH: usize = 3;
const TIME: usize = 7;
const FEATURES: usize = 5;
const SAMPLES: usize = 2;
const LATENT: usize = 3;

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn host(v: &[f64]) -> HostBuf {
    v.iter().map(|&x| x as f32).collect::<Vec<f32>>().into()
}

/// Of the fixture's case: the four terms, then the gradients by name.
fn computed(exec: &mut dyn Executor, case: &Value, unit: f64) -> (Vec<f64>, Vec<(String, Vec<f64>)>) {
    let layers = case["layers"].as_u64().unwrap() as usize;
    let model = TdVae {
        frame: vec![4],
        belief: 6,
        layers,
        periods: case["periods"].as_u64().unwrap() as usize,
        latent: LATENT,
        gated: 5,
        decoder: vec![7],
        jumps: [1, 4],
        samples: SAMPLES,
        ..TdVae::default()
    };
    let g = Graph::new();
    let net = Scope::root(&g, Mode::Train);
    let mut inputs: Vec<(String, HostBuf)> = Vec::new();
    let mut input = |name: &str, dims: &[usize], v: &[f64]| {
        inputs.push((name.into(), host(v)));
        g.input(name, dims)
    };
    let x = input("x", &[BATCH, TIME, FEATURES], &numbers(&case["x"])).with_batch_axis(0);
    let mut time = |name: &str| input(name, &[SAMPLES, BATCH], &numbers(&case[name])).with_batch_axis(1);
    let times = Times { first: time("t1"), second: time("t2") };
    let mut noise = |of: usize| -> Vec<_> {
        let layer = |l: usize| {
            let e: Vec<f64> = numbers(&case["noise"][of][l]).iter().map(|e| e / unit).collect();
            input(&format!("noise.{of}.{l}"), &[SAMPLES, BATCH, LATENT], &e).with_batch_axis(1)
        };
        (0..layers).map(layer).collect()
    };
    let (two, one) = (noise(0), noise(1));
    let terms = model.terms(&net, x, times, [&two, &one]);
    let params = g.params();
    let wrt: Vec<_> = params.iter().map(|p| g.param(&p.path, p.shape, p.init)).collect();
    let known = case["weights"].as_object().unwrap();
    assert_eq!(params.len(), known.len(), "as many weights as JAX has");
    for p in &params {
        let w: Vec<f64> = numbers(&known[&p.path]).iter().map(|w| w / unit).collect();
        inputs.push((p.path.clone(), host(&w)));
    }
    let d = grad(terms.total(), &wrt);
    let outputs = [&[terms.recon, terms.kl, terms.belief, terms.transition][..], &d].concat();
    let inputs: Vec<(&str, HostBuf)> = inputs.iter().map(|(n, v)| (n.as_str(), v.clone())).collect();
    let got = exec::run(exec, &g, &inputs, &outputs).unwrap();
    let reals = |b: &HostBuf| b.f32().iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let grads = params.iter().zip(&got[4..]).map(|(p, v)| (p.path.clone(), reals(v))).collect();
    (got[..4].iter().map(|v| reals(v)[0]).collect(), grads)
}

/// Loss and gradients of the equation, as JAX has them in float64: within 1e-5 of the largest of each tensor, on every
/// executor.
#[test]
fn the_loss_and_its_gradients_are_those_of_the_equation() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/td-vae.json")).unwrap();
    let unit = fixture["unit"].as_f64().unwrap();
    for case in fixture["cases"].as_array().unwrap() {
        for device in run::devices() {
            let mut exec = exec::open(&device).unwrap();
            let (terms, grads) = computed(&mut *exec, case, unit);
            for (name, (got, want)) in
                ["recon", "kl", "belief", "transition"].iter().zip(terms.iter().zip(numbers(&case["terms"])))
            {
                assert!((got - want).abs() <= 1e-5 * want.abs(), "{device}, {name}: {got}, JAX has {want}");
            }
            for (name, got) in grads {
                let want = numbers(&case["grads"][&name]);
                let largest = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
                assert!(largest > 1e-6, "{name}: the gradient is about 0");
                for (i, (g, w)) in got.iter().zip(&want).enumerate() {
                    assert!((g - w).abs() <= 1e-5 * largest, "{device}, {name}[{i}]: {g}, JAX has {w}");
                }
            }
        }
    }
}

/// The sequences that a session is fed: each frame is the one before, moved by a pixel to its side.
#[test]
fn digits_move_by_a_pixel_and_come_back_in() {
    let c = small(&[]);
    let mut per_device = Vec::new();
    for device in fast_devices() {
        let mut s = session(&device, &c);
        let (frames, n) = s.frames("test", 0, 16).unwrap();
        assert_eq!((frames.len(), n), (16 * 20 * 784, 16));
        let mut right = 0;
        for sequence in frames.chunks(20 * 784) {
            let shifted = |from: &[f32], by: usize| -> Vec<f32> {
                (0..784).map(|i| from[i / 28 * 28 + (i % 28 + by) % 28]).collect()
            };
            let (first, second) = (&sequence[..784], &sequence[784..2 * 784]);
            assert!(first.iter().all(|v| [0.0, 1.0].contains(v)) && first.contains(&1.0));
            let by = if shifted(first, 27) == second { 27 } else { 1 };
            right += usize::from(by == 27);
            for pair in sequence.chunks(784).collect::<Vec<_>>().windows(2) {
                assert!(shifted(pair[0], by) == pair[1], "a frame is not the last one moved");
            }
        }
        assert!((3..=13).contains(&right), "{right} of 16 move to the right");
        per_device.push(frames);
    }
    assert!(per_device.windows(2).all(|w| w[0] == w[1]), "the sequences differ between devices");
}

fn sequences() -> Dataset {
    data::load("moving-mnist", &data::Options { limit: 256, ..data::Options::WHOLE }).unwrap()
}

fn small(changes: &[&str]) -> Config {
    let few = [
        "model.frame=[32]",
        "model.belief=16",
        "model.decoder=[32]",
        "model.gated=16",
        "train.batch=32",
        "model.samples=2",
    ];
    settings("td-vae", &[&few[..], changes].concat())
}

fn session(device: &Choice, c: &Config) -> Session {
    Session::new(exec::open(device).unwrap(), c, sequences(), None).unwrap()
}

/// Ten losses agree between executors, and the loss falls, in one layer and in two.
#[test]
fn ten_losses_agree_and_fall() {
    for changes in [&[][..], &["model.layers=2", "model.elapsed=false"]] {
        let c = small(changes);
        let all: Vec<Vec<f64>> = fast_devices()
            .iter()
            .map(|d| run::steps(&mut session(d, &c), 10).iter().map(|row| f64::from(row[0])).collect())
            .collect();
        assert!(all[0][9] < all[0][0], "{changes:?}: {:?}", all[0]);
        for (g, w) in all[all.len() - 1].iter().zip(&all[0]) {
            assert!((g - w).abs() <= 1e-3 * w.abs(), "{changes:?}: {g} on gpu, {w} on cpu");
        }
    }
}

/// The norm of a gradient is limited, and one that is short stays as it is, bit for bit.
#[test]
fn gradients_are_clipped_by_their_norm() {
    // Plain descent at a rate of 1: the weights move by the gradient.
    let moved = |clip: &str| -> Vec<f64> {
        let set = ["optimizer.kind=sgd", "optimizer.momentum=0", "optimizer.learning_rate=1.0", clip];
        let mut s = session(&Choice::Cpu, &small(&set));
        let before = s.exec.read("params/model").unwrap();
        run::steps(&mut s, 1);
        let after = s.exec.read("params/model").unwrap();
        after.f32().iter().zip(before.f32()).map(|(a, b)| f64::from(a - b)).collect()
    };
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (free, short, long) = (moved("optimizer.clip=0"), moved("optimizer.clip=0.5"), moved("optimizer.clip=1e6"));
    assert!(norm(&free) > 1.0, "the gradient is longer than what it is limited to: {}", norm(&free));
    assert!((norm(&short) - 0.5).abs() < 1e-3, "{}", norm(&short));
    let along: f64 = free.iter().zip(&short).map(|(a, b)| a * b).sum::<f64>() / norm(&free) / norm(&short);
    assert!(along > 0.9999, "it keeps its direction: {along}");
    assert_eq!(free, long);
}

#[test]
fn settings_that_no_run_can_use_are_refused() {
    assert_eq!(refusal("td-vae", &["model.belief=161"]), "model.belief must be at most 160, not 161");
    assert_eq!(
        refusal("td-vae", &["model.jumps=[0,4]"]),
        "model.jumps must be the shortest jump, at least 1, and the longest: [0, 4]"
    );
    assert_eq!(
        refusal("td-vae", &["model.jumps=[1,60000]", "model.grow=80000"]),
        "model.grow must be at most 71582, not 80000"
    );
    assert_eq!(refusal("td-vae", &["model.far=1.5"]), "model.far must be a probability from 0 to 1, not 1.5");
    let refused = |c: &Config, data: Dataset| {
        Session::new(exec::open(&Choice::Cpu).unwrap(), c, data, None).err().expect("this is refused").to_string()
    };
    let of = |set: &[&str]| refused(&small(set), sequences());
    assert!(of(&["model.jumps=[1,20]"]).contains("have 20 frames, too few for a jump of 20"));
    assert!(refused(&small(&[]), run::mnist()).contains("`mnist` is a set of single examples"));
    assert!(refused(&settings("vae", &[]), sequences()).contains("td-vae does"));
    let Model::TdVae(model) = small(&["model.far=0.5", "model.far_jumps=[2,9]"]).model else { panic!("no td-vae") };
    assert_eq!(model.longest(), 9);
    assert_eq!(TdVae::MOST_UNITS, elbo::kernels::lstm::MAX_UNITS);
    assert_eq!(TdVae::MOST_PERIODS, elbo::kernels::sinusoids::MOST_PERIODS);
    assert!(refusal("td-vae", &["model.periods=23"]).contains("must be at most 22, not 23"));
    // Periods of 4 and 8: a jump of 8 is told as none.
    assert!(refusal("td-vae", &["model.periods=2", "model.jumps=[1,8]"]).contains("less than 8 steps apart"));
    assert!(refusal("td-vae", &["model.periods=2", "model.far=0.1", "model.far_jumps=[1,9]"]).contains("has 9"));
    let told = ["model.periods=2", "model.jumps=[1,7]"];
    assert_eq!(settings("td-vae", &told), settings("td-vae", &[told[1], told[0]]));
}

/// The command line, end to end: a run that was stopped and resumed is that which was not, rollouts are drawn, and evaluation
/// has its numbers.
#[test]
fn a_run_is_resumed_rolled_out_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let few = "--device cpu --quiet --set data.limit=64 --set train.batch=16 --set train.log_every=1 --set checkpoint.every=3";
    let small = "--set model.frame=[32] --set model.belief=16 --set model.decoder=[32]";
    let lines = |run: &str, kind: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(at.join(run).join("metrics.jsonl")).unwrap();
        let all = text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        all.filter(|l| l["kind"] == kind && l["step"].as_u64() > Some(3)).collect()
    };
    // Of two layers, then of one, which stays.
    for (layers, periods) in [(2, 3), (1, 0)] {
        let told = format!("--set model.layers={layers} --set model.periods={periods}");
        let run = format!("train td-vae {few} {small} {told} --force");
        run::succeeds(at, &format!("{run} --steps 6 --out whole"));
        run::succeeds(at, &format!("{run} --steps 3 --out parts"));
        run::succeeds(at, &format!("{run} --steps 6 --out parts --resume").replace("--force ", ""));
        for kind in ["train", "test"] {
            let (whole, parts) = (lines("whole", kind), lines("parts", kind));
            assert!(!whole.is_empty() && whole == parts, "{layers} layers, {kind}: {whole:?} and {parts:?}");
        }
    }
    let (said, _) = run::succeeds(at, "rollout whole --device cpu -n 3 --given 8 --jump 2 --steps 4");
    assert!(said.contains("rollout.png") && said.contains("rollout.gif"), "{said}");
    let png = image_size(&at.join("whole/samples/rollout.png"));
    // Six columns, the given frame's and five more; two rows a sequence.
    assert_eq!(png, (6 * 58 + 2, 6 * 58 + 2));
    let (json, _) = run::succeeds(at, "eval whole --device cpu --json");
    let numbers: Value = serde_json::from_str(&json).unwrap();
    for name in ["-ELBO", "jump-1 nll", "jump-4 nll", "direction kept", "digit kept", "digit of real frames"] {
        assert!(numbers[name].as_f64().is_some_and(f64::is_finite), "{name}: {json}");
    }
    let refused = run::elbo(at, "rollout whole --device cpu --given 21");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--given must be from 1 to the 20 frames"));
}

/// Width and height, as a PNG says.
fn image_size(path: &std::path::Path) -> (u32, u32) {
    let bytes = std::fs::read(path).unwrap();
    let at = |i: usize| u32::from_be_bytes(bytes[i..i + 4].try_into().unwrap());
    (at(16), at(20))
}

/// Sequences of a user's own, of bytes and of reals.
#[test]
fn arrays_are_sequences() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let few = "--device cpu --quiet --set train.batch=8 --steps 4 --set model.frame=[] --set model.decoder=[] --force --out run";
    // A wave a sequence, of two numbers a frame.
    let wave = |i: usize| ((i / 24) as f64 * 0.7 + (i % 24 / 2) as f64 * 0.5 + (i % 2) as f64).sin();
    let reals: Vec<f32> = (0..40 * 24).map(|i| wave(i) as f32).collect();
    let path = at.join("waves.npy");
    std::fs::write(&path, elbo::report::npy(&reals, &[40, 12, 2], &path).unwrap()).unwrap();
    let refused = run::elbo(at, &format!("train td-vae --data waves.npy {few}"));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("set model.likelihood=gaussian"));
    let (trained, _) =
        run::succeeds(at, &format!("train td-vae --data waves.npy --set model.likelihood=gaussian {few}"));
    assert!(trained.starts_with("test -ELBO"), "{trained}");
    let (said, _) = run::succeeds(at, "eval run --device cpu");
    assert!(said.contains("a frame after a jump"), "{said}");
    // The same from an archive, and rows of numbers as curves.
    let array = std::fs::read(&path).unwrap();
    std::fs::write(at.join("waves.npz"), files::npz(&[("x", array)], true)).unwrap();
    let (same, _) = run::succeeds(at, &format!("train td-vae --data waves.npz --set model.likelihood=gaussian {few}"));
    assert_eq!(same.lines().next(), trained.lines().next());
    let (said, _) = run::succeeds(at, "rollout run --device cpu -n 2 --given 3");
    assert!(said.contains("rollout.svg"), "{said}");
    // The header of version 1.0, and bytes that are lit or not.
    let head = "{'descr': '|u1', 'fortran_order': False, 'shape': (40, 6, 2, 3), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(((head.len() + 1) as u16).to_le_bytes());
    bytes.extend(format!("{head}\n").bytes());
    bytes.extend((0..40 * 36).map(|i| if (i / 36 + i) % 5 < 2 { 255u8 } else { 0 }));
    std::fs::write(at.join("bits.npy"), bytes).unwrap();
    run::succeeds(at, &format!("train td-vae --data bits.npy {few}"));
    let (said, _) = run::succeeds(at, "rollout run --device cpu -n 2 --given 3");
    assert!(said.contains("rollout.gif"), "{said}");
}

/// Rollouts of oscillators are measured beside an LSTM, a constant and the truth, and beliefs by what can be read from them.
#[test]
fn oscillators_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let few = "--device cpu --quiet --set data.limit=200 --set train.batch=16 --steps 3";
    run::succeeds(at, &format!("train td-vae-oscillator {few} --out run"));
    let numbers = |of: &str| -> Value {
        let (json, _) = run::succeeds(at, &format!("eval {of} --device cpu --json"));
        serde_json::from_str(&json).unwrap()
    };
    let found = numbers("run");
    let (_, said) = run::succeeds(at, "rollout run --device cpu -n 2 --given 60 --jump 20 --steps 3");
    assert!(said.contains("the first 20 steps are 5 jumps"), "{said}");
    let (text, _) = run::succeeds(at, "eval run --device cpu");
    assert!(text.contains("\n20 steps on, in 5 jumps of at most 4, then 20 steps of one:"), "{text}");
    for jump in [20, 100] {
        let of = |who: &str, what: &str| found[format!("{who} jump-{jump} {what} error")].as_f64().unwrap();
        for what in ["amplitude", "frequency", "phase"] {
            let [ours, lstm, held, truth] =
                ["td-vae", "next-step LSTM", "last value held", "true positions"].map(|who| of(who, what));
            assert!(ours.is_finite() && lstm.is_finite(), "{what}: {found}");
            // A third of a slow turn, whose phase noise moves, says its amplitude to a tenth, and all to a fourth of a constant.
            assert!(truth < 0.1 && 4.0 * truth < held, "{what} after {jump}: {truth} of the truth, {held} held");
        }
    }
    run::succeeds(at, &format!("train td-vae-oscillator --data oscillator-recall {few} --out recall"));
    let found = numbers("recall --probe");
    for what in ["the belief", "a next-step LSTM's state"] {
        let wrong = found[format!("probe error of {what}, %")].as_f64().unwrap();
        assert!((10.0..90.0).contains(&wrong), "{what}: {found}");
    }
}

//! Training end to end at a small size: three executors that agree, runs that repeat to the bit, evaluations that can
//! be trusted, and settings that do what they say and nothing else.

#[path = "common/run.rs"]
mod run;

use elbo::checkpoint;
use elbo::config::Config;
use elbo::exec::Choice;
use elbo::graph::{Binarise, Graph};
use elbo::kernels::StepRow;
use elbo::plan::{Options, compile};
use elbo::train::Session;
use elbo::values::{DType, Philox, Shape, permutation, stream};
use half::f16;
use run::{EXAMPLES, fast_devices, gpu_wanted, grouped, mean, mnist, session, settings};
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What losses of different executors may differ by, relative. (cpu and llvmpipe come to 2.4e-7 on the recipe.)
const AGREE: f64 = 1e-4;
/// A network small enough for the reference.
const SMALL: &[&str] = &["model.hidden=[32]", "model.latent=8", "train.batch=64"];

/// The recipe `vae` with changes.
fn vae(changes: &[&[&str]]) -> Config {
    settings("vae", &changes.concat())
}

fn load_weights(s: &mut Session, path: &Path) {
    checkpoint::restore(s, &checkpoint::read(path).unwrap(), false).unwrap();
}

/// Losses of the first `n` steps, one submit each.
fn losses(device: &Choice, c: &Config, n: u64) -> Vec<f64> {
    grouped(&mut session(device, c), n, 1).iter().map(|row| f64::from(row[0])).collect()
}

fn bits(rows: &[Vec<f32>]) -> Vec<u32> {
    rows.iter().flatten().map(|v| v.to_bits()).collect()
}

/// Every weight, as bits.
fn weights(s: &mut Session) -> Vec<u32> {
    let paths: Vec<String> = (0..s.layout.buckets.len()).map(|i| s.layout.path(i)).collect();
    paths.iter().flat_map(|p| s.exec.read(p).unwrap().f32().iter().map(|v| v.to_bits()).collect::<Vec<_>>()).collect()
}

#[track_caller]
fn assert_close(got: &[f64], want: &[f64], relative: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!(w.is_finite() && (g - w).abs() <= relative * w.abs(), "{what}, {i}: {g}, expected {w}");
    }
}

#[test]
fn twenty_losses_agree_on_every_device() {
    let c = vae(&[]);
    let oracle = losses(&Choice::Reference, &c, 20);
    assert!(oracle[19] < 0.6 * oracle[0], "the loss falls: {oracle:?}");
    for device in fast_devices() {
        assert_close(&losses(&device, &c, 20), &oracle, AGREE, &device.to_string());
    }
}

/// Trains by the program, and returns the run's folder.
fn train(folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let out = folder.join(name);
    let mut command = Command::new(env!("CARGO_BIN_EXE_elbo"));
    command.current_dir(folder).args(["train", "vae", "--quiet", "--set", "data.limit=512"]).args(arguments);
    let done = command.arg("--out").arg(&out).output().unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    out
}

/// The bytes of the last checkpoint of a run.
fn last_checkpoint(run: &Path) -> Vec<u8> {
    let folder = run.join("checkpoints");
    let name = std::fs::read_to_string(folder.join("latest")).unwrap();
    std::fs::read(folder.join(name.trim())).unwrap()
}

/// Whoever reads the data must not have built the pool of threads before.
#[test]
fn there_are_as_many_threads_as_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for (n, said) in [("1", "cpu: 1 thread\n"), ("3", "cpu: 3 threads\n")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_elbo"));
        command
            .args("train vae --set data.limit=128 --steps 1 --device cpu --threads".split(' '))
            .args([n, "--out", n]);
        let done = command.current_dir(&folder).output().unwrap();
        let all = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert!(all.contains(said), "{n}: {all}");
    }
}

#[test]
fn one_seed_gives_one_checkpoint_whatever_the_threads_and_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| train(folder.path(), name, &[&["--steps", "12"], more].concat());
    let one = run("one", &["--device", "cpu", "--threads", "1"]);
    let first = last_checkpoint(&one);
    let two = run("elsewhere/two", &["--device", "cpu", "--threads", "2"]);
    assert!(last_checkpoint(&two) == first, "cpu with 1 and with 2 threads");
    for picture in ["samples.png", "reconstructions.png"] {
        let read = |run: &Path| std::fs::read(run.join("samples").join(picture)).unwrap();
        assert!(read(&one) == read(&two), "{picture}");
    }
    let other = run("other", &["--device", "cpu", "--seed", "2"]);
    assert!(last_checkpoint(&other) != first, "another seed");
    if gpu_wanted() {
        let a = last_checkpoint(&run("gpu", &["--device", "gpu"]));
        assert!(a == last_checkpoint(&run("elsewhere/gpu", &["--device", "gpu"])), "gpu, twice");
        assert!(a != first, "the gpu's own rounding");
    }
}

#[test]
fn streamed_data_and_grouped_steps_give_the_same_bits() {
    for device in fast_devices() {
        let run = |change: &str, group: u64| {
            let mut s = session(&device, &vae(&[SMALL, &["train.batch=60", change]]));
            let rows = grouped(&mut s, 20, group);
            let e = s.evaluate("test").unwrap();
            (bits(&rows), weights(&mut s), e)
        };
        let resident = run("data.resident=true", 1);
        assert!(run("data.resident=false", 1) == resident, "{device}: streamed");
        assert!(run("data.resident=true", 8) == resident, "{device}: eight steps in a submit");
        assert!(run("train.seed=2", 1) != resident, "{device}: another seed");
    }
}

#[test]
fn an_evaluation_repeats_and_counts_each_example_once() {
    for device in fast_devices() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("checkpoints")).unwrap();
        let mut s = session(&device, &vae(&[]));
        grouped(&mut s, 4, 4);
        let saved = checkpoint::save(&mut s, 4, &Default::default(), folder.path()).unwrap();
        let first = s.evaluate("test").unwrap();
        assert_eq!(first, s.evaluate("test").unwrap(), "{device}");
        assert!(first.sentence().starts_with("-ELBO ") && first.unit == "nats", "{}", first.sentence());
        // 100 leaves a remainder of 12, 77 one of 50; 512 is all in one.
        for batch in ["train.batch=100", "train.batch=77", "train.batch=512"] {
            let mut other = session(&device, &vae(&[&[batch]]));
            load_weights(&mut other, &saved);
            let e = other.evaluate("test").unwrap();
            for e in [&first, &e] {
                assert_eq!(e.means.weight(), EXAMPLES as f64, "{device}, {batch}");
                assert!((mean(e, "-ELBO") - mean(e, "recon") - mean(e, "kl")).abs() < 1e-3);
            }
            for name in ["-ELBO", "recon", "kl"] {
                assert_close(&[mean(&e, name)], &[mean(&first, name)], 1e-4, &format!("{device}, {batch}, {name}"));
            }
        }
    }
}

/// 30 steps with a falling loss on cpu; the first 5 losses as on reference, on every device.
fn learns(changes: &[&str]) {
    let c = vae(&[SMALL, changes]);
    let oracle = losses(&Choice::Reference, &c, 5);
    let cpu = losses(&Choice::Cpu, &c, 30);
    let (begin, end) = (cpu[..5].iter().sum::<f64>() / 5.0, cpu[25..].iter().sum::<f64>() / 5.0);
    assert!(end < begin - 0.02 * begin.abs(), "{changes:?}: {cpu:?}");
    assert_close(&cpu[..5], &oracle, AGREE, &format!("{changes:?}, cpu"));
    if gpu_wanted() {
        assert_close(&losses(&Choice::Gpu, &c, 5), &oracle, AGREE, &format!("{changes:?}, gpu"));
    }
}

#[test]
fn every_activation_learns() {
    for name in ["relu", "sigmoid", "tanh", "softplus", "linear"] {
        learns(&["model.hidden=[32,16]", &format!("model.activation={name}")]);
    }
}

#[test]
fn a_linear_model_learns() {
    learns(&["model.hidden=[]"]);
}

#[test]
fn several_samples_learn() {
    learns(&["model.samples=3"]);
}

#[test]
fn a_gaussian_likelihood_learns() {
    learns(&["model.likelihood=gaussian", "model.variance=0.1", "data.binarise=none"]);
}

#[test]
fn gradient_descent_learns() {
    learns(&["optimizer.kind=sgd", "optimizer.learning_rate=1e-3"]);
    learns(&["optimizer.kind=sgd", "optimizer.learning_rate=1e-2", "optimizer.momentum=0"]);
}

/// The training images of an epoch as the device makes them, in the order of the set.
fn pixels(s: &mut Session, binarise: Binarise, epoch: u64) -> Vec<f32> {
    const N: usize = 128;
    let graph = Graph::new();
    let data = graph.declare("data/train", Shape::new(&[EXAMPLES * 784 / 4]), DType::U32);
    let order = graph.declare("order/train", Shape::new(&[EXAMPLES]), DType::U32);
    let x = graph.batch(data, order, Shape::new(&[N, 784]), binarise, "train", false, false);
    let packed = graph.pack("out/pixels", &[x], vec![0], N * 784);
    let plan = compile("pixels", &graph, &[packed], &s.layout, Options::default()).unwrap();
    let id = s.exec.load(&plan).unwrap();
    s.begin_epoch(epoch).unwrap();
    let seed = s.config.train.seed;
    let order = permutation(EXAMPLES, Philox::new(seed, stream("data.shuffle", 0), epoch as u32));
    let mut all = vec![f32::NAN; EXAMPLES * 784];
    for first in (0..EXAMPLES).step_by(N) {
        let step = (epoch as usize * EXAMPLES + first) / N;
        let ticket = s.exec.submit(id, &[StepRow::new(step as u32, 0, first as u32, seed)]).unwrap();
        s.exec.fetch(ticket).unwrap();
        let batch = s.exec.read("out/pixels").unwrap();
        for (row, &i) in batch.f32().chunks_exact(784).zip(&order[first..]) {
            all[i as usize * 784..][..784].copy_from_slice(row);
        }
    }
    all
}

#[test]
fn pixels_are_drawn_anew_or_once_or_left_grey() {
    let grey: Vec<f32> = mnist().train.bytes().iter().map(|&b| f32::from(b) / 255.0).collect();
    for device in fast_devices() {
        let mut s = session(&device, &vae(&[SMALL]));
        let mut epochs = |b: Binarise| (pixels(&mut s, b, 0), pixels(&mut s, b, 1));
        let (a, b) = epochs(Binarise::None);
        assert!(a == b, "{device}: grey levels do not change");
        assert!(a.iter().zip(&grey).all(|(a, g)| (a - g).abs() <= 1e-7), "{device}: bytes / 255");
        for (binarise, same) in [(Binarise::Static, true), (Binarise::Dynamic, false)] {
            let (a, b) = epochs(binarise);
            assert_eq!(a == b, same, "{device}, {binarise:?}: the second epoch against the first");
            for x in [a, b] {
                let certain = |(x, g): (&f32, &f32)| (*x == 0.0 && *g < 1.0) || (*x == 1.0 && *g > 0.0);
                assert!(x.iter().zip(&grey).all(certain), "{device}, {binarise:?}: bits, black and white kept");
                let (lit, expected) = (x.iter().sum::<f32>(), grey.iter().sum::<f32>());
                assert!((lit - expected).abs() < 0.01 * expected, "{device}, {binarise:?}: {lit}, {expected}");
            }
        }
    }
}

#[test]
fn beta_one_is_the_vae_and_a_schedule_changes_the_weight_alone() {
    for device in fast_devices() {
        let run = |beta: &str| {
            let mut s = session(&device, &vae(&[SMALL, &[&format!("model.beta={beta}")]]));
            let rows = grouped(&mut s, 12, 8);
            let e = s.evaluate("test").unwrap();
            (rows, weights(&mut s), e)
        };
        let plain = run("1.0");
        let ones = run("{from=1,to=1,steps=10}");
        assert!(bits(&ones.0) == bits(&plain.0) && ones.1 == plain.1 && ones.2 == plain.2, "{device}: beta = 1");
        // The weight changes at step 5, whose forward pass still has the old weights; the terms are as they were.
        let raised = run("{values=[1,4],at=[0,5]}");
        assert_eq!(bits(&raised.0[..5]), bits(&plain.0[..5]), "{device}: before");
        assert_eq!(raised.0[5][1..], plain.0[5][1..], "{device}: the terms at the step of the change");
        let &[loss, recon, kl, _] = &raised.0[5][..] else { panic!("loss, recon, kl, skipped") };
        assert_close(&[f64::from(loss)], &[f64::from(recon) + 4.0 * f64::from(kl)], 1e-6, "the raised loss");
        assert!(raised.0[6][1..] != plain.0[6][1..], "{device}: after");
        // What is reported is the bound, whatever was minimised.
        let e = &raised.2;
        assert_close(&[mean(e, "-ELBO")], &[mean(e, "recon") + mean(e, "kl")], 1e-6, "the reported bound");
    }
}

#[test]
fn half_precision_checkpoints_hold_the_weights_rounded() {
    let folder = tempfile::tempdir().unwrap();
    let run = |dtype: &str| {
        let change = format!("checkpoint.dtype={dtype}");
        train(folder.path(), dtype, &["--device", "cpu", "--steps", "4", "--set", &change])
    };
    let (full, half) = (last_checkpoint(&run("f32")), last_checkpoint(&run("f16")));
    let (full, half) = (SafeTensors::deserialize(&full).unwrap(), SafeTensors::deserialize(&half).unwrap());
    assert_eq!(full.len(), half.len());
    let c = vae(&[&["checkpoint.dtype=f16"]]);
    let mut s = session(&Choice::Cpu, &c);
    for p in s.layout.params.clone() {
        let (f, h) = (full.tensor(&p.path).unwrap(), half.tensor(&p.path).unwrap());
        assert_eq!((f.dtype(), h.dtype()), (Dtype::F32, Dtype::F16), "{}", p.path);
        assert_eq!((f.shape(), f.data().len()), (h.shape(), 2 * h.data().len()), "{}", p.path);
        let f: Vec<f32> = bytemuck::pod_collect_to_vec(f.data());
        let h: Vec<f16> = bytemuck::pod_collect_to_vec(h.data());
        assert!(f.iter().zip(&h).all(|(f, h)| f16::from_f32(*f).to_bits() == h.to_bits()), "{}", p.path);
    }
    // Loaded back, they are those numbers, and evaluate almost as before.
    let evaluation = |s: &mut Session, dtype: &str| {
        let checkpoints = folder.path().join(dtype).join("checkpoints");
        load_weights(s, &checkpoints.join("step-4.safetensors"));
        mean(&s.evaluate("test").unwrap(), "-ELBO")
    };
    let exact = evaluation(&mut s, "f32");
    let rounded = evaluation(&mut s, "f16");
    assert!(exact != rounded, "f16 rounds");
    assert_close(&[rounded], &[exact], 1e-3, "f16");
}

//! Supervised fine-tuning: the softmax's loss and error, which weights move, labels that are wrong or missing, and the
//! command from end to end.

mod common;
#[path = "common/run.rs"]
mod run;

use common::{BOTH, Evaluated, param, total};
use elbo::config::{Config, Model};
use elbo::data::Dataset;
use elbo::exec::{Choice, open};
use elbo::graph::{Graph, grad};
use elbo::nn::categorical_nll;
use elbo::train::Session;
use run::{
    EXAMPLES, elbo, fast_devices, grouped, mean, mnist, refusal, resolved, session, settings, steps, stored, succeeds,
    ten_losses_agree,
};
use std::path::Path;

const CLASSES: &str = "classifier.classes=10";

/// A small network of a kind, under a softmax of ten classes. Settings that it has not are left out.
fn small(recipe: &str, more: &[&str]) -> Config {
    let mut changes = vec!["train.batch=32", "optimizer.learning_rate=1e-2", CLASSES];
    for change in ["model.k=8", "model.alpha=1", "model.penalty=hutchinson", "model.latent=16", "model.hidden=[32]"] {
        changes.push(change);
        if resolved(recipe, &changes).is_err() {
            changes.pop();
        }
    }
    settings(recipe, &[&changes, more].concat())
}

/// −ln softmax(a)_k and its gradient softmax(a) − y, also of logits whose exponentials overflow.
#[test]
fn the_loss_is_the_cross_entropy_of_a_softmax() {
    let logits = [0.5, -1.0, 2.0, 0.0, 1000.0, 999.0, -1000.0, 5.0, -80.0, -81.0, -82.5, -80.0];
    let label = [2, 1, 3];
    for options in BOTH {
        let g = Graph::new();
        let (a, y) = (param(&g, "p.a", &[3, 4]).with_batch_axis(0), param(&g, "p.y", &[3, 4]).with_batch_axis(0));
        let nats = categorical_nll(y, a);
        let da = grad(total(nats), &[a])[0];
        let mut e = Evaluated::new(&g, &[nats, da], options);
        e.set("p.a", 0, &logits);
        let one_hot: Vec<f64> = label.iter().flat_map(|&k| (0..4).map(move |j| f64::from(u8::from(j == k)))).collect();
        e.set("p.y", 0, &one_hot);
        let out = e.run();
        for (i, row) in logits.chunks(4).enumerate() {
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|v| (v - most).exp()).sum();
            let want = sum.ln() - (row[label[i]] - most);
            assert!((out[0][i] - want).abs() <= 1e-12 * want.max(1.0), "row {i}: {} for {want}", out[0][i]);
            for j in 0..4 {
                let want = (row[j] - most).exp() / sum - one_hot[4 * i + j];
                assert!(
                    (out[1][4 * i + j] - want).abs() <= 1e-12,
                    "row {i}, class {j}: {} for {want}",
                    out[1][4 * i + j]
                );
            }
        }
    }
}

/// Models whose codes are whole numbers, and take no softmax, and the prior over such.
const WITHOUT: [&str; 3] = ["vq-vae", "vq-vae-2", "prior"];

#[test]
fn every_kind_of_encoder_learns_labels() {
    for kind in WITHOUT {
        assert!(refusal(kind, &[CLASSES]).starts_with("classifier.classes must be 0 where model.kind is"), "{kind}");
    }
    // td_vae.rs has sequences.
    for kind in Model::KINDS.iter().copied().filter(|kind| !WITHOUT.contains(kind) && *kind != "td-vae") {
        let mut s = session(&Choice::Cpu, &small(kind, &[]));
        let names = s.train.plan.log.as_ref().unwrap().names.clone();
        assert_eq!(names, ["loss", "error", "skipped"], "{kind}");
        let before = s.evaluate("test").unwrap();
        assert_eq!((before.unit, before.means.values().next().unwrap().0), ("%", "error"), "{kind}");
        let rows = grouped(&mut s, 160, 32);
        // Ten classes: ln 10 nats and 90 % by chance. Labels of other images would leave it there.
        assert!((f64::from(rows[0][0]) - 10f64.ln()).abs() < 0.7 && rows[0][1] > 50.0, "{kind}: {:?}", rows[0]);
        let after = s.evaluate("test").unwrap();
        let [e0, e1] = [&before, &after].map(|e| mean(e, "error"));
        let [n0, n1] = [&before, &after].map(|e| mean(e, "cross-entropy"));
        assert!(e0 > 60.0 && e1 < 35.0 && n1 < 0.6 * n0, "{kind}: {e0} % → {e1} %, {n0} → {n1} nats");
    }
}

#[test]
fn the_executors_agree() {
    let small = ["model.hidden=[16]", "model.latent=8", "train.batch=32", CLASSES];
    ten_losses_agree("ae", &[&small[..], &["optimizer.learning_rate=1e-3"]].concat());
}

/// The error that evaluation reports is that of the codes, weights and labels on the host: each image with its own label,
/// every example once, whatever the size of the last batch.
#[test]
fn the_error_counts_every_example_once() {
    for more in [&["train.batch=48"][..], &["train.batch=48", "data.resident=false"]] {
        let mut s = session(&Choice::Cpu, &small("ae", more));
        steps(&mut s, 20);
        let error = mean(&s.evaluate("test").unwrap(), "error");
        let codes = s.encode("test", 0, EXAMPLES).unwrap();
        let both = stored(&mut s, "params", "classifier");
        let (w, b) = both.split_at(10 * 16);
        let logit = |z: &[f32], k: usize| -> f64 {
            f64::from(b[k]) + z.iter().zip(&w[16 * k..]).map(|(z, w)| f64::from(*z) * f64::from(*w)).sum::<f64>()
        };
        let guess = |z: &[f32]| (0..10).max_by(|&i, &j| logit(z, i).total_cmp(&logit(z, j))).unwrap();
        let wrong = codes.chunks(16).zip(&mnist().test.labels).filter(|(z, l)| guess(z) != usize::from(**l)).count();
        assert!((error - 100.0 * wrong as f64 / EXAMPLES as f64).abs() < 1e-4, "{error} %, {wrong} of {EXAMPLES}");
        assert!((1..EXAMPLES / 2).contains(&wrong), "{wrong}");
    }
}

#[test]
fn streamed_labels_give_the_same_bits() {
    for device in fast_devices() {
        let after = |resident: &str| {
            let mut s = session(&device, &small("ae", &[resident]));
            let rows = steps(&mut s, 20);
            let e = s.evaluate("test").unwrap();
            (rows.concat().iter().map(|v| v.to_bits()).collect::<Vec<_>>(), e.means.bits())
        };
        assert!(after("data.resident=true") == after("data.resident=false"), "{device}");
    }
}

#[test]
fn a_probe_keeps_every_bit_of_the_encoder() {
    for device in fast_devices() {
        for (freeze, moves) in [("classifier.freeze=true", false), ("classifier.freeze=false", true)] {
            let mut s = session(&device, &small("vae", &[freeze]));
            let read = |s: &mut Session| ["encoder", "classifier"].map(|group| stored(s, "params", group));
            let before = read(&mut s);
            steps(&mut s, 4);
            let after = read(&mut s);
            assert_eq!((before[0] != after[0], before[1] != after[1]), (moves, true), "{device}, {freeze}");
        }
        // What the code is not made of is no part of a classifier.
        let s = session(&device, &small("vae", &[]));
        assert!(s.layout.find("encoder.mean.weight").is_some() && s.layout.find("encoder.log_var.weight").is_none());
        assert!(!s.layout.params.iter().any(|p| p.path.starts_with("decoder")));
    }
}

#[test]
fn labels_that_are_wrong_or_missing_are_refused_in_one_sentence() {
    let refusal = |change: &dyn Fn(&mut Dataset), classes: &str| {
        let mut data = mnist();
        change(&mut data);
        let c = settings("ae", &[classes]);
        let e = Session::new(open(&Choice::Cpu).unwrap(), &c, data, None).err().expect("labels that do not do");
        assert!(e.exit_code() == 2 && !e.to_string().contains('\n'), "{e}");
        e.to_string()
    };
    let first = mnist().train.labels.iter().position(|l| *l >= 7).unwrap();
    let text = refusal(&|_| {}, "classifier.classes=7");
    let label = mnist().train.labels[first];
    let want =
        format!("training image {first} of `mnist` has the label {label}, and classifier.classes = 7 allows 0 to 6");
    assert_eq!(text, want);
    for (part, change) in [
        ("training", (|d: &mut Dataset| d.train.labels.clear()) as fn(&mut Dataset)),
        ("test", |d| d.test.labels.clear()),
    ] {
        let text = refusal(&change, CLASSES);
        assert!(
            text.starts_with(&format!("the {part} images of `mnist` have no labels, which a classifier")),
            "{text}"
        );
    }
}

#[track_caller]
fn refused(at: &Path, words: &str, part: &str) {
    let o = elbo(at, words);
    let err = String::from_utf8(o.stderr).unwrap();
    assert_eq!((o.status.code(), err.lines().count()), (Some(2), 1), "{words}: {err}");
    assert!(err.contains(part), "{words}: {err}");
}

/// The tensors of a run's last checkpoint whose names begin so.
fn tensors(run: &Path, step: u64, start: &str) -> Vec<(String, elbo::values::HostBuf)> {
    let saved = elbo::checkpoint::read(&run.join(format!("checkpoints/step-{step}.safetensors"))).unwrap();
    let names = saved.names().filter(|n| n.starts_with(start));
    names.map(|n| (n.to_string(), saved.tensor(n).unwrap().1.clone())).collect()
}

#[test]
fn a_run_is_fine_tuned_resumed_evaluated_and_encoded() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let small = "--device cpu --quiet --set data.limit=512 --set train.batch=32";
    succeeds(at, &format!("train vae {small} --set model.hidden=[32] --set model.latent=8 --steps 30 --out run"));

    // A probe begins with the run's encoder, and keeps it.
    let (text, _) = succeeds(at, "finetune run --device cpu --quiet --freeze --steps 20");
    assert!(text.starts_with("test error ") && text.contains(" % (cross-entropy "), "{text}");
    let probe = tensors(&at.join("run-probe"), 20, "encoder.");
    let of_run = tensors(&at.join("run"), 30, "encoder.");
    assert_eq!(probe.len(), of_run.len() - 2, "all but the log-variance's");
    assert!(probe.iter().all(|t| of_run.contains(t)));

    // Stopped in an epoch and resumed, by either command, a run ends in the same bits.
    let tune = "finetune run --device cpu --quiet --set train.log_every=5";
    succeeds(at, &format!("{tune} --epochs 2"));
    succeeds(at, &format!("{tune} --steps 21 --out other"));
    refused(at, &format!("{tune} --steps 32 --out other"), "exists; --resume goes on with it");
    succeeds(at, &format!("{tune} --epochs 2 --out other --resume"));
    succeeds(at, "train run-finetuned/config.toml --device cpu --quiet --out again");
    let file = |run: &str| std::fs::read(at.join(run).join("checkpoints/step-32.safetensors")).unwrap();
    let all = tensors(&at.join("run-finetuned"), 32, "");
    assert!(all == tensors(&at.join("other"), 32, "") && file("run-finetuned") == file("again"));
    let [tuned, first] = [&all, &of_run].map(|of| of.iter().find(|t| t.0 == "encoder.0.weight").unwrap().1.clone());
    assert!(tuned != first);
    let moved = tuned.f32().iter().zip(first.f32()).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(moved < 0.1, "32 steps at 1e-3 begin where the run ended: {moved}");

    // Its lines, and eval, which computes the same numbers again.
    let lines = std::fs::read_to_string(at.join("run-finetuned/metrics.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|l| l["kind"] == kind).collect::<Vec<_>>();
    assert_eq!((of("train").len(), of("epoch").len(), of("test").len()), (6, 2, 1));
    assert!(of("train").iter().all(|l| l["loss"].is_number() && l["error"].is_number()));
    let (text, _) = succeeds(at, "eval run-finetuned --device cpu --json");
    let e: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&e["error"], &e["cross-entropy"]), (&of("test")[0]["error"], &of("test")[0]["cross-entropy"]));
    let (text, _) = succeeds(at, "eval run-finetuned --device cpu");
    assert!(text.starts_with("test error ") && !text.contains("PCA"), "{text}");

    // Codes it has; pictures it has not.
    succeeds(at, "encode run-finetuned --device cpu --out codes.npy");
    for words in ["sample", "reconstruct", "interpolate"] {
        refused(at, &format!("{words} run-finetuned --device cpu"), "this run is a classifier of 10 classes");
    }
    assert!(!at.join("run-finetuned/samples/samples.png").exists());

    // A model that keeps state of its own, of which a classifier has none.
    succeeds(
        at,
        &format!("train beta-vae {small} --set model.hidden=[16] --set model.control=limit --steps 3 --out limited"),
    );
    succeeds(at, "finetune limited --device cpu --quiet --steps 3");

    refused(at, "finetune run-finetuned --device cpu", "run-finetuned is a classifier already");
    refused(at, "finetune nowhere --device cpu", "nowhere is no run: it holds no config.toml");
    refused(at, "finetune run --device cpu --quiet --set model.latent=9 --out x", "model.latent is 9 here and 8 there");
    std::fs::remove_dir_all(at.join("run/checkpoints")).unwrap();
    refused(at, "finetune run --device cpu --quiet --out x", "has no checkpoint whose encoder");

    // A folder of images without labels.
    std::fs::create_dir(at.join("plain")).unwrap();
    for (part, n) in [("train", 64u32), ("t10k", 16)] {
        let head = [0x803, n, 28, 28].into_iter().flat_map(u32::to_be_bytes);
        let bytes: Vec<u8> = head.chain((0..784 * n).map(|i| (i % 251) as u8)).collect();
        std::fs::write(at.join(format!("plain/{part}-images-idx3-ubyte")), bytes).unwrap();
    }
    refused(
        at,
        "finetune run --device cpu --quiet --data plain --out x",
        "the training images of `plain` have no labels",
    );
    assert!(!at.join("x").exists());
    // To encode them a classifier needs none; to measure it they are missed.
    succeeds(at, "encode run-finetuned --device cpu --data plain --out plain.csv");
    let codes = std::fs::read_to_string(at.join("plain.csv")).unwrap();
    assert_eq!((codes.lines().count(), codes.lines().next().unwrap()), (17, "z0,z1,z2,z3,z4,z5,z6,z7"));
    refused(at, "eval run-finetuned --device cpu --data plain", "the training images of `plain` have no labels");
}

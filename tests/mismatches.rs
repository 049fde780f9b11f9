//! A model and data that do not fit each other, or a command and a run: one sentence, exit code 2, never a panic.

#[path = "common/run.rs"]
mod run;

use elbo::report::npy;
use run::{elbo, succeeds};
use std::path::Path;

/// Numbers from 0 to 1 as an array of that shape.
fn array(dir: &Path, name: &str, shape: &[usize]) {
    let values: Vec<f32> = (0..shape.iter().product()).map(|i| (i % 256) as f32 / 255.0).collect();
    let path = dir.join(name);
    std::fs::write(&path, npy(&values, shape, &path).unwrap()).unwrap();
}

#[track_caller]
fn refused(dir: &Path, words: &str, sentence: &str) {
    let o = elbo(dir, words);
    let err = String::from_utf8(o.stderr).unwrap();
    let last = err.lines().last().unwrap_or_default();
    assert!(o.status.code() == Some(2) && last.starts_with("elbo: ") && last.contains(sentence), "{words}: {err}");
    assert!(!err.contains("panicked"), "{words}: {err}");
}

#[test]
fn images_that_a_network_cannot_take() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    array(at, "odd.npy", &[200, 20, 30]);
    array(at, "long.npy", &[200, 16, 64]);
    let few = "--device cpu --steps 1 --set train.batch=8";
    let no_square = "an example of 600 numbers is no square image";
    refused(at, &format!("train vq-vae --data odd.npy {few}"), no_square);
    refused(at, &format!("train vae --data odd.npy --set model.conv=[[8,4,2]] {few}"), no_square);
    // 16 × 64 numbers are as many as 32 × 32.
    let square = "convolutions take square images, and those of `long.npy` are 16 × 64";
    refused(at, &format!("train vq-vae --data long.npy {few}"), square);
    refused(at, &format!("train vae --data long.npy --set model.conv=[[8,4,2]] {few}"), square);
}

#[test]
fn sequences_that_are_too_long_and_commands_for_others() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    array(at, "long.npy", &[40, 1500, 1]);
    let few = "--device cpu --steps 1 --quiet --set train.batch=8";
    let gaussian = "--set model.likelihood=gaussian --set model.variance=0.1";
    // Those of the VAE that is drawn from have no time; what fits the LSTM goes through.
    refused(
        at,
        &format!("train td-vae --data long.npy {gaussian} {few}"),
        "the sequences of `long` have 1500 frames, more than the 1424 that an LSTM of model.belief = 50 goes through at once",
    );
    succeeds(at, &format!("train vae --set data.limit=64 {few} --out vae"));
    refused(at, "rollout vae --device cpu", "vae is no model of sequences: td-vae is one");
    refused(at, "eval vae --device cpu --disentanglement", "--disentanglement is of sprites");
}

#[test]
fn runs_without_what_a_command_draws() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let few = "--device cpu --steps 1 --quiet --set data.limit=32 --set train.batch=8";
    succeeds(at, &format!("train td-vae {few} --out td"));
    succeeds(at, &format!("finetune td {few} --out labels"));
    succeeds(at, "eval labels --device cpu");
    refused(at, "rollout labels --device cpu", "this run is a classifier of 10 classes");
    succeeds(at, &format!("train vq-vae {few} --out vq"));
    refused(at, "finetune vq --device cpu", "vq cannot be fine-tuned: the codes of a vq-vae are whole numbers");
    refused(at, "traverse vq --device cpu", "no dimension of it is an axis");
    refused(at, "report vq --device cpu --data emoji", "a report is of the run and its own data");
    refused(at, "data oscillator --out x.npy", "`oscillator` is a set of sequences");
    // What a run lost is made anew.
    std::fs::remove_dir_all(at.join("vq/samples")).unwrap();
    succeeds(at, "report vq --device cpu");
    assert!(at.join("vq/samples/reconstructions.png").is_file());
}

//! Every recipe as a user starts it: one command, on cpu and on gpu, with its own network; the first ten losses agree. One that
//! changes another has no kernels of its own, and runs on cpu alone.

#[path = "common/run.rs"]
mod run;

use elbo::config::RECIPES;
use run::{gpu_wanted, succeeds};
use std::path::Path;

/// The losses of ten steps of a recipe, as its metrics have them, to the last bit of f32.
fn losses(at: &Path, recipe: &str, device: &str) -> Vec<f64> {
    let few = "--steps 10 --set data.limit=16 --set train.batch=16 --set train.log_every=1 --set train.pretrain=0";
    let out = format!("{recipe}-{device}");
    let (test, _) = succeeds(at, &format!("train {recipe} --device {device} --quiet {few} --out {out}"));
    assert!(test.starts_with("test "), "{recipe}, {device}: {test}");
    run::logged_losses(&at.join(out))
}

#[test]
fn every_recipe_trains_by_one_command_and_ten_losses_agree() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let compared = |recipe: &str, text: &str| {
        let cpu = losses(at, recipe, "cpu");
        assert!(cpu.len() == 10 && cpu[9] < cpu[0], "{recipe}: ten losses, which fall: {cpu:?}");
        if !text.contains("\nbase = ") && gpu_wanted() {
            let gpu = losses(at, recipe, "gpu");
            assert_eq!(gpu.len(), 10, "{recipe}");
            for (step, (g, c)) in gpu.iter().zip(&cpu).enumerate() {
                assert!((g - c).abs() <= 1e-3 * c.abs(), "{recipe}, step {step}: {g} on gpu, {c} on cpu");
            }
        }
    };
    std::thread::scope(|scope| {
        // A prior is trained of the codes of a run: tests/sampling.rs.
        for (recipe, text) in RECIPES.iter().filter(|(name, _)| *name != "prior") {
            scope.spawn(|| compared(recipe, text));
        }
    });
}

//! What the plans of the recipes cost beyond what they must: dispatches, bytes moved, memory.

mod common;
#[path = "common/run.rs"]
mod run;

use elbo::exec::Choice;
use elbo::plan::Plan;
use run::{planned, session, settings};

fn step(recipe: &str) -> Plan {
    session(&Choice::Cpu, &settings(recipe, &[])).train.plan.clone()
}

/// Gather, forward, backward, metrics, the check for what is not finite, and the optimizer: everything counted.
#[test]
fn a_step_of_the_vae_is_23_dispatches() {
    for recipe in ["vae", "beta-vae"] {
        let plan = step(recipe);
        let names: Vec<&str> = plan.dispatches.iter().map(|d| d.kernel.name()).collect();
        assert_eq!(names.len(), 23, "{recipe}: {names:?}");
        for name in ["copy", "fill", "reduce", "unary", "binary"] {
            assert!(!names.contains(&name), "{recipe}: {name} in {names:?}");
        }
        for once in ["scalars", "finite", "gate", "adam"] {
            assert_eq!(names.iter().filter(|n| **n == once).count(), 1, "{recipe}: {once} in {names:?}");
        }
    }
}

/// The least is a formula of the plan's own weights and batch; here it is held to one by hand.
#[test]
fn a_step_of_the_vae_moves_little_more_than_it_must() {
    let plan = step("vae");
    let weights = 784 * 400 + 400 + 2 * (400 * 20 + 20) + 20 * 400 + 400 + 400 * 784 + 784;
    let first = 784 * 400 + 3 * 400 + 784 + 40;
    // Pixels are bytes; of floats: weights forward, and but for the first layer and the biases backward; gradients, weights
    // and moments twice; batch, hidden layers, mean, log-variance, its limited form, code and gradient of the logits twice.
    let floats = weights + (weights - first) + 8 * weights + 2 * 128 * (784 + 400 + 4 * 20 + 400 + 784);
    let (least, by_hand) = (plan.bytes_least() as f64, (128 * 784 + 4 * floats) as f64);
    assert!((least / by_hand - 1.0).abs() < 0.01, "{least} of the plan, {by_hand} by hand");
    let moved = plan.bytes_moved() as f64;
    assert!(moved <= 1.5 * least, "{moved} moved, {least} the least");
}

/// Sums of millions of terms leave many parts; no kernel may loop over all of them.
#[test]
fn large_steps_are_planned() {
    for (recipe, changes) in [
        ("vae", &["model.samples=500"][..]),
        ("vae", &["train.batch=60000"]),
        ("contractive", &["model.penalty=exact", "model.block=500"]),
        ("contractive", &["model.penalty=hutchinson", "model.samples=500"]),
    ] {
        if let Err(e) = planned(&settings(recipe, changes)) {
            panic!("{recipe}, {changes:?}: {e}");
        }
    }
}

#[test]
fn a_step_takes_little_more_memory_than_what_lives() {
    for recipe in ["ae", "dae", "sparse", "k-sparse", "contractive", "vae", "beta-vae"] {
        let plan = step(recipe);
        let kept: u64 = plan.stores.iter().filter(|s| !s.scratch).map(|s| 4 * s.len as u64).sum();
        let (peak, least) = (plan.peak_bytes(), kept + plan.live_bytes);
        assert!(peak as f64 <= 1.3 * least as f64, "{recipe}: {peak} at once, {least} alive");
        // Most is moved where a weight is tied, whose gradient is a sum of two, or has a penalty.
        let (moved, must) = (plan.bytes_moved() as f64, plan.bytes_least() as f64);
        assert!(moved <= 2.2 * must, "{recipe}: {moved} moved, {must} must be");
    }
}

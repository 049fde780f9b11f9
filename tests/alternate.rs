//! Alternating optimisation: one side is updated, the other does not change by a bit.

#[path = "common/run.rs"]
mod run;

use elbo::exec::{Choice, open};
use elbo::train::Session;
use run::{elbo, fast_devices, grouped, mnist, session, settings, stored, succeeds, ten_losses_agree};

/// A small model, 3 steps of θ and 2 of φ.
const SMALL: [&str; 4] = ["model.hidden=[16]", "model.latent=3", "train.batch=32", "train.alternate=[3,2]"];
const SIDES: [&str; 2] = ["decoder", "encoder"];

fn small(recipe: &str, more: &[&str]) -> elbo::config::Config {
    settings(recipe, &[&SMALL[..], more].concat())
}

/// Weights and optimizer state of both sides.
fn sides(s: &mut Session) -> [[Vec<u32>; 3]; 2] {
    SIDES.map(|side| {
        ["params", "adam.m", "adam.v"].map(|kind| stored(s, kind, side).iter().map(|v| v.to_bits()).collect())
    })
}

#[test]
fn the_frozen_side_keeps_every_bit_while_the_other_changes() {
    for device in fast_devices() {
        for recipe in ["vae", "sparse"] {
            let mut s = session(&device, &small(recipe, &[]));
            s.begin_epoch(0).unwrap();
            let mut before = sides(&mut s);
            for step in 0..10u64 {
                let ticket = s.submit(step, 1).unwrap();
                let row = s.exec.fetch(ticket).unwrap().remove(0);
                assert!(row.iter().all(|v| v.is_finite()) && *row.last().unwrap() == 0.0, "{row:?}");
                let after = sides(&mut s);
                for (side, name) in SIDES.iter().enumerate() {
                    let updated = (side == 0) == (step % 5 < 3);
                    for kind in 0..3 {
                        let changed = before[side][kind] != after[side][kind];
                        assert_eq!(changed, updated, "{device}, {recipe}, step {step}: {name}, store {kind}");
                    }
                }
                before = after;
            }
        }
    }
}

#[test]
fn the_frozen_side_has_no_gradient_in_the_plan() {
    use elbo::plan::Options;
    use elbo::train::{SetShape, phases::phases, programs};
    let set = SetShape { split: "train", examples: 512, features: 784, sequence: None, resident: true, drawn: false };
    let c = small("vae", &[]);
    let layout = programs::layout(&c, 784, 1 << 24).unwrap();
    let both = phases(&c, &layout, 784, 16).unwrap();
    let whole = phases(&small("vae", &["train.alternate=[]"]), &layout, 784, 16).unwrap();
    assert_eq!((both.len(), whole.len()), (2, 1));
    let plan = |phase| programs::train(&c, &set, &layout, Options::default(), phase).unwrap().plan;
    let all = plan(whole[0]);
    for (phase, [own, other]) in both.iter().zip([SIDES, ["encoder", "decoder"]]) {
        let plan = plan(*phase);
        let has = |what: &str, side: &str| plan.store(&format!("{what}/{side}")).is_some();
        assert!(has("grads", own) && has("adam.m", own) && has("params", other), "{own}");
        assert!(!has("grads", other) && !has("adam.m", other), "{own}");
        assert!(plan.flops() < all.flops() && plan.dispatches.len() < all.dispatches.len(), "{own}");
    }
}

/// Stepwise the same as where both are updated: from the same weights, θ takes the step that it would take there.
#[test]
fn a_first_step_of_theta_is_that_of_training_both_and_empty_is_off() {
    for device in fast_devices() {
        let after = |alternate: &str, n: u64| {
            let mut s = session(&device, &small("vae", &[alternate]));
            grouped(&mut s, n, 1);
            sides(&mut s)
        };
        let (both, theta, start) =
            (after("train.alternate=[]", 1), after("train.alternate=[1,1]", 1), after("train.alternate=[]", 0));
        assert!(both[0] == theta[0] && theta[1] == start[1] && both[1] != start[1], "{device}");
    }
}

/// Adam's first update is ±the learning rate wherever there is a gradient, if its corrections are those of t = 1. By the
/// count of all steps it would be 0.58 of it.
#[test]
fn adams_corrections_count_the_updates_of_their_own_side() {
    for (side, first) in [("decoder", 0), ("encoder", 3)] {
        let rate = 1e-3;
        let mut s = session(&Choice::Cpu, &small("vae", &["optimizer.learning_rate=1e-3"]));
        grouped(&mut s, first, 8);
        let path = format!("params/{side}");
        let before = s.exec.read(&path).unwrap().f32().to_vec();
        let ticket = s.submit(first, 1).unwrap();
        s.exec.fetch(ticket).unwrap();
        let after = s.exec.read(&path).unwrap().f32().to_vec();
        let most = before.iter().zip(&after).map(|(b, a)| f64::from((a - b).abs())).fold(0.0, f64::max);
        // The weights, and so their differences, are rounded to 6e-8.
        assert!((most / rate - 1.0).abs() < 1e-3, "{side}: {most}");
    }
}

/// At the recipe's own size the sides differ in all that a plan has; and a step of one side that is skipped, because the
/// square of a gradient overflows, is none of the other's.
#[test]
fn a_step_that_is_skipped_does_not_stop_the_other_side() {
    for device in fast_devices() {
        let beta = "model.beta={values=[3e38,1.0],at=[0,2]}";
        let mut s = session(&device, &settings("vae", &["train.alternate=[1,1]", "train.batch=32", beta]));
        let rows = grouped(&mut s, 6, 8);
        let skipped: Vec<f32> = rows.iter().map(|r| *r.last().unwrap()).collect();
        assert_eq!(skipped[1..], [1.0, 0.0, 0.0, 0.0, 0.0], "{device}");
    }
}

#[test]
fn how_steps_are_grouped_changes_nothing() {
    for device in fast_devices() {
        let after = |group| {
            let mut s = session(&device, &small("vae", &[]));
            let rows = grouped(&mut s, 24, group);
            (rows.iter().flatten().map(|v| v.to_bits()).collect::<Vec<_>>(), sides(&mut s))
        };
        assert!(after(1) == after(u64::MAX), "{device}");
    }
}

#[test]
fn the_executors_agree_and_the_loss_falls() {
    ten_losses_agree("vae", &[&SMALL[..], &["train.alternate=[2,1]"]].concat());
}

/// Of the decoder alone, and of the encoder alone after 32 steps of the decoder: each epoch's loss is below the one
/// before, by a fiftieth over five of them.
#[test]
fn each_side_alone_lowers_the_loss() {
    for (alternate, first) in [("train.alternate=[4096,1]", 0), ("train.alternate=[32,4096]", 32)] {
        let mut s = session(&Choice::Cpu, &small("ae", &[alternate, "optimizer.learning_rate=3e-3"]));
        let rows = grouped(&mut s, first + 96, 16);
        let epoch = |rows: &[Vec<f32>]| rows.iter().map(|r| f64::from(r[0])).sum::<f64>() / rows.len() as f64;
        let means: Vec<f64> = rows[first as usize..].chunks(16).map(epoch).collect();
        assert!(means.windows(2).all(|w| w[1] < w[0]) && means[5] < 0.98 * means[0], "{alternate}: {means:?}");
    }
}

#[test]
fn a_run_resumed_in_the_middle_of_a_phase_ends_in_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let run = "train vae --device cpu --quiet --set data.limit=256 --set train.batch=32 --set model.hidden=[16] \
               --set model.latent=3 --set train.alternate=[5,3] --set train.log_every=3";
    succeeds(at, &format!("{run} --steps 21 --out whole"));
    // In a phase of φ, in one of θ, and at a phase's end.
    for (i, stops) in [[6, 10], [7, 13], [5, 8]].iter().enumerate() {
        succeeds(at, &format!("{run} --steps {} --out r{i}", stops[0]));
        for steps in [stops[1], 21] {
            succeeds(at, &format!("{run} --steps {steps} --out r{i} --resume"));
        }
        let file = |run: &str| std::fs::read(at.join(run).join("checkpoints/step-21.safetensors")).unwrap();
        assert!(file("whole") == file(&format!("r{i}")), "{stops:?}: other bits");
        let lines = |run: &str| {
            let text = std::fs::read_to_string(at.join(run).join("metrics.jsonl")).unwrap();
            let lines = text.lines().filter(|l| l.contains("\"kind\":\"train\""));
            lines.map(String::from).collect::<Vec<_>>()
        };
        assert_eq!(lines("whole"), lines(&format!("r{i}")));
        assert_eq!(lines("whole").len(), 7);
    }
    let o = elbo(at, &format!("{run} --set train.alternate=[4,4] --steps 30 --out whole --resume"));
    let err = String::from_utf8(o.stderr).unwrap();
    assert!(o.status.code() == Some(2) && err.contains("train.alternate is [4, 4] here and [5, 3] there"), "{err}");
}

#[test]
fn tied_weights_are_refused_in_one_sentence() {
    for (recipe, more) in [("dae", ""), ("k-sparse", ""), ("ae", "model.tied=true")] {
        let changes = ["train.alternate=[1,1]", more];
        let c = settings(recipe, &changes[..1 + usize::from(!more.is_empty())]);
        let e = Session::new(open(&Choice::Cpu).unwrap(), &c, mnist(), None).err().expect("tied weights");
        let text = e.to_string();
        assert!(
            e.exit_code() == 2 && text.starts_with("train.alternate needs a decoder with weights of its own"),
            "{e}"
        );
        assert!(text.contains(&format!("model.kind = {recipe:?}")) && !text.contains('\n'), "{e}");
    }
    // The run folder of a refused run is not made.
    let dir = tempfile::tempdir().unwrap();
    let o = elbo(dir.path(), "train dae --device cpu --set train.alternate=[1,1] --set data.limit=256");
    let err = String::from_utf8(o.stderr).unwrap();
    assert_eq!((o.status.code(), err.lines().filter(|l| l.starts_with("elbo: ")).count()), (Some(2), 1), "{err}");
    assert!(!dir.path().join("runs").exists());
    settings("dae", &["train.alternate=[1,1]", "model.tied=false"]);
}

#[test]
fn a_plan_is_shown_for_each_phase_and_timing_wants_none() {
    let dir = tempfile::tempdir().unwrap();
    let (text, _) = succeeds(dir.path(), "plan vae --set train.alternate=[7,2]");
    let heads: Vec<&str> = text.lines().filter(|l| l.contains(" steps from ")).collect();
    assert_eq!(heads, ["decoder: 7 of every 9 steps from 0", "encoder: 2 of every 9 steps from 0"]);
    let o = elbo(dir.path(), "bench train --device cpu --set train.alternate=[7,2]");
    let err = String::from_utf8(o.stderr).unwrap();
    assert_eq!((o.status.code(), err.lines().count()), (Some(2), 1), "{err}");
}

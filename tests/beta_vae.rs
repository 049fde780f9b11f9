//! The β-VAE: at β = 1 the VAE bit for bit; the multiplier's rule, its bounds and what a run says of them; the capacity.

#[path = "common/run.rs"]
mod run;

use elbo::config::{Control, Model};
use elbo::exec::Choice;
use elbo::train::Session;
use run::{devices, refusal, session, settings, steps, succeeds, ten_losses_agree};
use std::path::Path;

/// A network small enough for the reference.
const SMALL: &[&str] = &["model.hidden=[32]", "model.latent=8", "train.batch=64"];

fn near(what: &str, got: f64, want: f64, relative: f64) {
    assert!((got - want).abs() <= relative * (1e-3 + want.abs()), "{what}: {got}, expected {want}");
}

/// The place of a metric in the rows of training.
fn column(s: &Session, name: &str) -> usize {
    let names = &s.train.plan.log.as_ref().unwrap().names;
    names.iter().position(|n| n == name).unwrap_or_else(|| panic!("no {name} in {names:?}"))
}

/// Columns of the rows of training, by name.
fn columns<const N: usize>(s: &Session, rows: &[Vec<f32>], names: [&str; N]) -> Vec<[f64; N]> {
    let at = names.map(|name| column(s, name));
    rows.iter().map(|row| at.map(|i| f64::from(row[i]))).collect()
}

#[test]
fn at_beta_1_it_is_the_vae_bit_for_bit() {
    for device in devices() {
        let after = |recipe: &str, more: &[&str]| {
            let mut s = session(&device, &settings(recipe, &[SMALL, more].concat()));
            let rows = steps(&mut s, 6);
            let kept: Vec<String> = s.state().map(|kept| kept.path.clone()).collect();
            let stores: Vec<_> = kept.iter().map(|path| s.exec.read(path).unwrap()).collect();
            (rows, kept, stores)
        };
        let vae = after("vae", &[]);
        assert!(vae.1.iter().any(|path| path == "params/model"), "{device}: {:?}", vae.1);
        assert_eq!(after("beta-vae", &["model.beta=1"]), vae, "{device}");
        assert_ne!(after("beta-vae", &["model.beta=1.001"]).2, vae.2, "{device}");
        let ramp = "model.beta={from=0,to=1,steps=4}";
        assert_eq!(after("beta-vae", &[ramp]), after("vae", &[ramp]), "{device}");
    }
}

#[test]
fn the_weight_and_the_capacity_are_those_of_their_formulas() {
    for device in devices() {
        let of = |more: &[&str], name: &[&str]| {
            let mut s = session(&device, &settings("beta-vae", &[SMALL, more].concat()));
            let rows = steps(&mut s, 8);
            let logged = name.first().map(|name| columns(&s, &rows, [*name]));
            (columns(&s, &rows, ["loss", "recon", "kl"]), logged)
        };
        let (rows, _) = of(&["model.beta={from=1,to=8,steps=7}"], &[]);
        for (t, [loss, recon, kl]) in rows.into_iter().enumerate() {
            near(&format!("{device}, β at step {t}"), loss, recon + (1.0 + t as f64) * kl, 1e-5);
        }
        // The KL is some tenths of a nat at first: above C, then below it.
        let ramp = "model.capacity={values=[0.0,30.0],at=[0,4]}";
        let (rows, capacity) = of(&["model.control=capacity", "model.gamma=25", ramp], &["capacity"]);
        let mut sides = [false, false];
        for (t, ([loss, recon, kl], [c])) in rows.into_iter().zip(capacity.unwrap()).enumerate() {
            assert_eq!(c, if t < 4 { 0.0 } else { 30.0 }, "{device}, step {t}");
            near(&format!("{device}, C at step {t}"), loss, recon + 25.0 * (kl - c).abs(), 1e-5);
            sides[usize::from(kl > c)] = true;
        }
        assert_eq!(sides, [true, true], "{device}: |KL − C| is seen from both sides");
    }
}

#[test]
fn inside_the_capacity_is_the_mean_over_the_batch() {
    let capacity = ["model.control=capacity", "model.gamma=100", "model.capacity=5"];
    let mut s = session(&Choice::Cpu, &settings("beta-vae", &[SMALL, &capacity].concat()));
    let rows = steps(&mut s, 300);
    let last = columns(&s, &rows[250..], ["loss", "recon", "kl"]);
    for [loss, recon, kl] in &last {
        // Examples lie on both sides of C: the mean of their distances would be far from the distance of their mean.
        near("the loss", *loss, recon + 100.0 * (kl - 5.0).abs(), 1e-4);
    }
    let mean = last.iter().map(|row| row[2]).sum::<f64>() / last.len() as f64;
    assert!((mean - 5.0).abs() < 0.25, "the KL is held at C = 5: {mean}");
}

#[test]
fn the_multiplier_follows_its_rule() {
    for device in devices() {
        let limit = ["model.control=limit", "model.delta=2", "model.rate=0.2", "model.bounds=[0.5,1.25]"];
        let c = settings("beta-vae", &[SMALL, &limit].concat());
        let Model::BetaVae(of) = &c.model else { panic!("a β-VAE") };
        assert_eq!(of.control, Control::Limit);
        let mut s = session(&device, &c);
        assert!(s.state().any(|kept| kept.path == "state/log_beta" && kept.len == 1), "{device}: kept in checkpoints");
        let rows = steps(&mut s, 40);
        let (mut ln_beta, mut at_a_bound) = (0.0f64, 0);
        for (t, [loss, recon, kl, beta]) in columns(&s, &rows, ["loss", "recon", "kl", "beta"]).into_iter().enumerate()
        {
            near(&format!("{device}, β at step {t}"), beta, ln_beta.exp(), 1e-5);
            near(&format!("{device}, loss at step {t}"), loss, recon + beta * (kl - 2.0), 1e-5);
            ln_beta = (ln_beta + 0.2 * (kl - 2.0) / 2.0).clamp(0.5f64.ln(), 1.25f64.ln());
            at_a_bound += usize::from(ln_beta == 0.5f64.ln() || ln_beta == 1.25f64.ln());
        }
        assert!((3..40).contains(&at_a_bound), "{device}: both inside and at a bound: {at_a_bound}");
        near("what is kept", s.exec.read("state/log_beta").unwrap().f32()[0].into(), ln_beta, 1e-5);
        // Evaluation moves nothing, and reports recon + KL.
        let test = s.evaluate("test").unwrap();
        assert_eq!(test.means.values().map(|v| v.0).collect::<Vec<_>>(), ["-ELBO", "recon", "kl"]);
        near("-ELBO", run::mean(&test, "-ELBO"), run::mean(&test, "recon") + run::mean(&test, "kl"), 1e-5);
        near("after evaluation", s.exec.read("state/log_beta").unwrap().f32()[0].into(), ln_beta, 1e-5);
    }
}

/// A constraint that binds holds with equality. 512 images, a small network, 1,000 steps; of a whole run the recipe speaks.
#[test]
fn the_multiplier_holds_the_kl_at_the_limit() {
    for delta in [5.0, 10.0, 20.0] {
        let (delta_is, small) = (format!("model.delta={delta}"), ["model.hidden=[64]", "model.latent=10"]);
        let limit = ["model.control=limit", &delta_is, "model.rate=0.1", "train.batch=32"];
        let mut s = session(&Choice::Cpu, &settings("beta-vae", &[&small[..], &limit].concat()));
        let rows = steps(&mut s, 1000);
        let last = columns(&s, &rows[700..], ["kl", "beta"]);
        let mean = |i: usize| last.iter().map(|row| row[i]).sum::<f64>() / last.len() as f64;
        println!("δ = {delta}: KL {} at β {}", mean(0), mean(1));
        assert!((mean(0) / delta - 1.0).abs() < 0.02, "KL = δ = {delta} where the constraint binds: {}", mean(0));
        // What it takes is above 1 where the VAE's own KL is above δ, and below 1 where it is below.
        assert!(if delta < 15.0 { mean(1) > 1.2 } else { mean(1) < 0.8 }, "δ = {delta}: β is {}", mean(1));
    }
}

/// Trains under a limit for some steps into `run`.
fn train(folder: &Path, more: &[&str]) -> String {
    let sets = [SMALL, &["data.limit=256", "model.control=limit", "model.rate=1"], more].concat();
    let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
    let words = ["train", "beta-vae", "--device", "cpu", "--steps", "40", "--quiet", "--force", "--out", "run"];
    succeeds(folder, &[&words[..], &sets].concat().join(" ")).1
}

#[test]
fn a_run_says_that_its_limit_was_out_of_reach_or_did_not_bind() {
    let folder = tempfile::tempdir().unwrap();
    let said = |more: &[&str]| train(folder.path(), more);
    let high = said(&["model.delta=0.01", "model.bounds=[0.5,1.5]"]);
    let want = "model.delta = 0.01 is out of reach: β ended at its upper bound 1.5 with a KL of ";
    assert!(high.starts_with(want) && high.trim_end().lines().count() == 1, "{high}");
    // β moved, step by step, and what is said stands in the file and in the object too.
    let (out, err) = {
        let sets = [SMALL, &["data.limit=256", "model.control=limit", "model.rate=1", "model.delta=0.01"]].concat();
        let sets: Vec<&str> = sets
            .into_iter()
            .chain(["model.bounds=[0.5,1.5]", "train.log_every=1"])
            .flat_map(|s| ["--set", s])
            .collect();
        let words = ["train", "beta-vae", "--device", "cpu", "--steps", "40", "--json", "--force", "--out", "run"];
        succeeds(folder.path(), &[&words[..], &sets].concat().join(" "))
    };
    let lines = std::fs::read_to_string(folder.path().join("run/metrics.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let betas: Vec<f64> = lines.iter().filter(|l| l["kind"] == "train").map(|l| l["beta"].as_f64().unwrap()).collect();
    assert!(betas[0] == 1.0 && betas[1] == 1.5 && betas.len() == 40, "{betas:?}");
    assert!(err.lines().any(|line| line.starts_with("epoch ") && line.contains("  beta 1.")), "{err}");
    let object: serde_json::Value = serde_json::from_str(&out).unwrap();
    let test = lines.last().unwrap();
    assert_eq!((test["kind"].as_str(), &test["verdict"]), (Some("test"), &object["verdict"]));
    assert!(object["verdict"].as_str().unwrap().starts_with(want) && err.contains(want), "{object}");
    // A classifier on its encoder has no KL to speak of.
    let tuned = succeeds(folder.path(), "finetune run --device cpu --steps 3 --quiet").1;
    assert_eq!(tuned, "");
    let low = said(&["model.delta=1000", "model.bounds=[0.5,1.5]"]);
    let want = "model.delta = 1000 does not bind: β ended at its lower bound 0.5 with a KL of ";
    assert!(low.starts_with(want) && low.trim_end().lines().count() == 1, "{low}");
    assert_eq!(said(&["model.delta=1", "model.rate=1e-3"]), "", "β is inside its bounds");
}

#[test]
fn ten_losses_agree_on_every_device() {
    for control in ["weight", "limit", "capacity"] {
        let control = format!("model.control={control}");
        ten_losses_agree("beta-vae", &[SMALL, &[control.as_str(), "model.rate=0.1"]].concat());
    }
}

#[test]
fn settings_that_cannot_be_are_refused_by_key() {
    let between = "model.bounds must be two finite numbers above 0 with 1 between them, where β begins: ";
    let cases: &[(&str, &str)] = &[
        ("model.delta=0", "model.delta must be finite and above 0, not 0"),
        ("model.delta=-1", "model.delta must be finite and above 0, not -1"),
        ("model.delta=nan", "model.delta must be finite and above 0, not NaN"),
        ("model.rate=0", "model.rate must be finite and above 0, not 0"),
        ("model.bounds=[0,1]", &format!("{between}[0.0, 1.0]")),
        ("model.bounds=[2,4]", &format!("{between}[2.0, 4.0]")),
        ("model.bounds=[0.1,0.5]", &format!("{between}[0.1, 0.5]")),
        ("model.bounds=[1,1]", &format!("{between}[1.0, 1.0]")),
        ("model.bounds=[0.1,inf]", &format!("{between}[0.1, inf]")),
        ("model.gamma=0", "model.gamma must be finite and above 0, not 0"),
        ("model.beta=-1", "model.beta must be at least 0 at every step, not -1"),
        ("model.capacity=-1", "model.capacity must be at least 0 at every step, not -1"),
        ("model.control=held", "model.control cannot be \"held\": expected one of `weight`, `limit`, `capacity`"),
        ("model.detla=3", "no setting `model.detla`; did you mean `model.delta`?"),
        ("model.variance=0", "model.variance must be finite and above 0, not 0"),
    ];
    for (change, want) in cases {
        assert_eq!(refusal("beta-vae", &[change]), *want);
    }
    let not_the_vaes = "model.delta is a setting of model.kind = \"beta-vae\", which is \"vae\" here";
    assert_eq!(refusal("vae", &["model.delta=3"]), not_the_vaes);
}

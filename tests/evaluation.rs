//! What `elbo eval` measures beyond the loss: ln p(x) by importance sampling against a linear Gaussian model, whose ln p(x) is
//! known; posteriors and Jacobians against weights that are set; the command.

mod common;
#[path = "common/run.rs"]
mod run;

use common::Rng;
use elbo::data::{Dataset, Split};
use elbo::eval::mean_and_error;
use elbo::exec::{self, Choice};
use elbo::train::Session;
use nalgebra::{DMatrix, DVector};
use run::{elbo, mean, session, settings, steps, succeeds};
use std::f64::consts::TAU;

const D: usize = 6;
const K: usize = 2;
/// More than a batch of 64, and no multiple of one.
const N: usize = 70;
const VARIANCE: f64 = 0.05;
/// The decoder: x = Wz + m + σε. No pixel has a part of both codes, so that the exact posterior is diagonal.
const W: [[f64; K]; D] = [[0.3, 0.0], [-0.2, 0.0], [0.25, 0.0], [0.0, 0.4], [0.0, 0.1], [0.0, -0.3]];
const M: [f64; D] = [0.5, 0.4, 0.6, 0.5, 0.3, 0.7];

fn images() -> Split {
    let mut rng = Rng::new("evaluation", 0);
    Split::stored((0..N * D).map(|_| (255.0 * rng.unit()) as u8).collect(), vec![], D)
}

/// ln N(x; m, WWᵀ + σ²I) of each image.
fn closed_form() -> Vec<f64> {
    let w = DMatrix::from_fn(D, K, |i, k| W[i][k]);
    let root = (&w * w.transpose() + DMatrix::identity(D, D) * VARIANCE).cholesky().unwrap();
    let log_det = 2.0 * root.l().diagonal().map(f64::ln).sum();
    let images = images();
    let of = |i: usize| {
        let x = DVector::from_fn(D, |j, _| f64::from(images.image(i)[j]) / 255.0 - M[j]);
        -0.5 * (x.dot(&root.solve(&x)) + log_det + D as f64 * TAU.ln())
    };
    (0..N).map(of).collect()
}

/// A linear VAE of those weights. Its posterior is the exact one, N((wₖᵀ(x − m)/σ²)/pₖ, 1/pₖ) with pₖ = ‖wₖ‖²/σ² + 1, whose
/// mean is moved by `away` standard deviations and whose variance is multiplied by `wider`.
fn linear(batch: usize, away: f64, wider: f64) -> Session {
    let c = settings(
        "vae",
        &[
            "model.hidden=[]",
            &format!("model.latent={K}"),
            "model.likelihood=gaussian",
            &format!("model.variance={VARIANCE}"),
            "data.binarise=none",
            &format!("train.batch={batch}"),
        ],
    );
    let empty = Split::stored(vec![], vec![], D);
    let data = Dataset {
        name: "linear".into(),
        sequence: None,
        shape: [1, D, 1],
        train: images(),
        validation: empty,
        test: images(),
    };
    let mut s = Session::new(exec::open(&Choice::Cpu).unwrap(), &c, data, None).unwrap();
    let mut set = |path: &str, values: Vec<f64>| {
        let i = s.layout.find(path).unwrap_or_else(|| panic!("no {path}"));
        let place = &s.layout.places[i];
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        assert_eq!(values.len(), s.layout.params[i].shape.len(), "{path}");
        s.exec.write(&s.layout.path(place.bucket), place.offset, &values.into()).unwrap();
    };
    let precision = |k: usize| 1.0 + (0..D).map(|i| W[i][k].powi(2)).sum::<f64>() / VARIANCE;
    let v = |k: usize, i: usize| W[i][k] / VARIANCE / precision(k);
    set("decoder.output.weight", W.concat());
    set("decoder.output.bias", M.to_vec());
    set("encoder.mean.weight", (0..K).flat_map(|k| (0..D).map(move |i| v(k, i))).collect());
    let moved = |k: usize| away * precision(k).powf(-0.5) - (0..D).map(|i| v(k, i) * M[i]).sum::<f64>();
    set("encoder.mean.bias", (0..K).map(moved).collect());
    set("encoder.log_var.weight", vec![0.0; K * D]);
    set("encoder.log_var.bias", (0..K).map(|k| (wider / precision(k)).ln()).collect());
    s
}

fn likelihood(s: &mut Session, k: usize) -> Vec<f64> {
    let mut told = 0;
    let all = s.log_likelihood("test", k, |done| told = done).unwrap().expect("a VAE has densities");
    assert_eq!((all.len(), told), (N, N));
    all
}

#[test]
fn importance_sampling_comes_to_the_likelihood_that_is_known() {
    let want = closed_form();
    // At the exact posterior every weight is p(x): no sample is off, in one block or in several.
    for k in [1, 7, 25_000] {
        for (i, (got, want)) in likelihood(&mut linear(32, 0.0, 1.0), k).iter().zip(&want).enumerate() {
            assert!((got - want).abs() < 1e-4 * want.abs().max(1.0), "k = {k}, example {i}: {got}, not {want}");
        }
    }
    // Away from it the bound rises to p(x).
    let mut s = linear(32, 0.7, 1.5);
    let off = |got: Vec<f64>| {
        let (mean, _) = mean_and_error(got.iter().zip(&want).map(|(g, w)| g - w).collect::<Vec<_>>().into_iter());
        mean
    };
    let [one, few, many] = [1, 20, 25_000].map(|k| off(likelihood(&mut s, k)));
    println!("{one} {few} {many}");
    assert!(one < -0.3 && few > one + 0.2 && few < -0.005, "{one} {few}");
    // ln ŵ of 25,000 samples of weights that vary about as much as they are is off by 1/√25,000 = 0.006 an example.
    assert!(many.abs() < 0.003, "{many}");
}

#[test]
fn blocks_of_samples_have_noise_of_their_own_and_batches_have_not() {
    let mut s = linear(32, 0.7, 1.5);
    // Two whole blocks of 2²²/(64·6) samples, and one: with the same noise twice the mean would be the same.
    let block = (1 << 22) / (64 * D);
    let (one, two) = (likelihood(&mut s, block), likelihood(&mut s, 2 * block));
    assert!(one.iter().zip(&two).all(|(a, b)| a != b && (a - b).abs() < 0.1), "{:?}", &one[..4]);
    assert_eq!(likelihood(&mut s, 5), likelihood(&mut linear(7, 0.7, 1.5), 5), "the batch of training is another");
    let once = likelihood(&mut s, 5);
    s.config.train.seed += 1;
    assert_ne!(once, likelihood(&mut s, 5), "under another seed");
}

#[test]
fn posteriors_and_jacobians_are_those_of_the_weights() {
    let mut s = linear(32, 0.0, 1.0);
    let q = s.posteriors("test").unwrap().expect("it is diagonal");
    assert_eq!((q.latent, q.means.len(), q.log_vars.len()), (K, N * K, N * K));
    let codes = s.codes("test").unwrap();
    assert_eq!(q.means, codes, "the code is the mean");
    let precision = |k: usize| 1.0 + (0..D).map(|i| W[i][k].powi(2)).sum::<f64>() / VARIANCE;
    for (i, lv) in q.log_vars.iter().enumerate() {
        assert!((f64::from(*lv) + precision(i % K).ln()).abs() < 1e-5, "{i}: {lv}");
    }
    // The encoder is linear: its Jacobian is its weight.
    let v = |i: usize, k: usize| (W[i][k] / VARIANCE / precision(k)).powi(2);
    let want = (0..D * K).map(|e| v(e / K, e % K)).sum::<f64>().sqrt();
    let norms = s.jacobian_norms("test").unwrap().expect("there are few codes");
    assert_eq!(norms.len(), N);
    assert!(norms.iter().all(|n| (n - want).abs() < 1e-5 * want), "{:?}, not {want}", &norms[..3]);
}

#[test]
fn jacobian_norms_are_what_the_contractive_penalty_is_the_mean_of() {
    for (recipe, changes) in [
        ("contractive", &["model.latent=50", "train.batch=64"][..]),
        ("contractive", &["model.hidden=[40]", "model.latent=50", "model.penalty=exact", "train.batch=64"]),
    ] {
        let mut s = session(&Choice::Cpu, &settings(recipe, changes));
        steps(&mut s, 10);
        let want = mean(&s.evaluate("test").unwrap(), "jacobian");
        let norms = s.jacobian_norms("test").unwrap().expect("it is a stack of layers");
        let got = norms.iter().map(|n| n * n).sum::<f64>() / norms.len() as f64;
        assert!((got - want).abs() < 1e-4 * want, "{changes:?}: {got}, not {want}");
        let spread = norms.iter().copied().fold(0.0, f64::max) - norms[0];
        assert!(spread > 1e-3, "examples differ in it: {:?}", &norms[..4]);
    }
}

#[test]
fn the_training_set_is_encoded_in_its_own_order() {
    let mut s = session(&Choice::Cpu, &settings("ae", &["model.hidden=[32]", "model.latent=8", "train.batch=100"]));
    let train = s.codes("train").unwrap();
    assert_eq!(train.len(), run::EXAMPLES * 8);
    let mut data = run::mnist();
    data.test = data.train.clone();
    let config = s.config.clone();
    let mut other = Session::new(exec::open(&Choice::Cpu).unwrap(), &config, data, None).unwrap();
    assert_eq!(train, other.codes("test").unwrap());
}

#[test]
fn the_command_says_what_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let small = "--device cpu --quiet --steps 40 --set data.limit=600 --set train.batch=50 --set model.hidden=[40]";
    succeeds(dir.path(), &format!("train vae {small} --set model.latent=5 --out vae"));
    let asked = "eval vae --device cpu --samples 30 --probe --jacobian";
    let (text, _) = succeeds(dir.path(), asked);
    for part in [
        "of 5  ",
        "I(n; z)",
        "nats by 30 importance samples of each of 600 examples",
        "‖J‖ of the encoder",
        "probe of codes",
        "probe of pixels",
        "of 500 training examples, judged by 600; λ = ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (text, _) = succeeds(dir.path(), &format!("{asked} --json"));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let number = |key: &str| json[key].as_f64().unwrap_or_else(|| panic!("{key}: {json}"));
    // More samples than the one of the ELBO: a tighter bound, though of other noise.
    assert!(number("NLL") < number("-ELBO") + 1.0, "{json}");
    let parts = number("surgery information") + number("surgery marginal kl");
    let error = number("surgery information error") + number("surgery marginal kl error");
    assert!((parts - number("surgery kl")).abs() <= 4.0 * error, "{json}");
    assert!((number("surgery kl") - number("kl")).abs() < 1e-3 * number("kl"), "{json}");
    // 600 images in ten classes: chance is 90 %.
    assert!(number("probe error of pixels, %") < 30.0 && number("probe error of codes, %") < 80.0, "{json}");

    succeeds(dir.path(), &format!("train dae {small} --set model.latent=20 --out dae"));
    let (text, _) = succeeds(dir.path(), "eval dae --device cpu --jacobian");
    assert!(text.contains("saturated units") && text.contains("PCA with 20 components"), "{text}");
    let refused = elbo(dir.path(), "eval dae --device cpu --samples 5");
    let words = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{words}");
    assert!(words.contains("this model has no p(x)"), "{words}");
}

#[test]
fn sprites_have_scores_and_so_has_the_untrained_network() {
    let dir = tempfile::tempdir().unwrap();
    let small = "--device cpu --quiet --steps 4 --set data.limit=500 --set train.batch=50 --set model.hidden=[4]";
    succeeds(dir.path(), &format!("train beta-vae --data sprites {small} --set model.latent=2 --out sprites"));
    let (text, _) = succeeds(dir.path(), "eval sprites --device cpu --disentanglement --untrained --json");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["step"], &json["disentanglement_examples"]["train"]), (&0.into(), &10_000.into()), "{json}");
    for key in ["beta_vae", "factor_vae", "mig", "sap", "dci_disentanglement", "dci_informativeness", "modularity"] {
        let score = json[key].as_f64().unwrap_or_else(|| panic!("{key}: {json}"));
        assert!((0.0..=1.0).contains(&score), "{key}: {json}");
    }
    // Five factors: random pixels of a code say more of the position than chance does.
    assert!(json["beta_vae"].as_f64().unwrap() > 0.25, "{json}");
    succeeds(dir.path(), &format!("train vae {small} --set model.latent=2 --out mnist"));
    let refused = elbo(dir.path(), "eval mnist --device cpu --disentanglement");
    let words = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{words}");
    assert!(words.contains("--disentanglement is of sprites"), "{words}");
}

//! What `elbo eval` measures beyond the loss: ln p(x) by importance sampling against a linear Gaussian model, whose ln p(x) is
//! known; posteriors and Jacobians against weights that are set; the command.

mod common;
#[path = "common/run.rs"]
mod run;

use common::Rng;
use elbo::data::{self, Dataset, Options, Split};
use elbo::eval::disentanglement::{Grid, Protocol, score};
use elbo::eval::mean_and_error;
use elbo::exec::{self, Choice};
use elbo::kernels::outlines;
use elbo::train::Session;
use elbo::values::HostBuf;
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
fn the_codes_of_a_grid_of_sprites_have_the_scores_of_its_factors() {
    // All shapes, two scales, five orientations and every fourth place: of the grid's own order, thinned.
    let classes =
        [vec![0, 1, 2], vec![0, 5], vec![0, 8, 16, 24, 32], (0..32).step_by(4).collect(), (0..32).step_by(4).collect()];
    let sizes: Vec<usize> = classes.iter().map(Vec::len).collect();
    let mut places = vec![vec![0u32]];
    for some in &classes {
        places = places.into_iter().flat_map(|p| some.iter().map(move |&c| [&p[..], &[c]].concat())).collect();
    }
    let places = places.into_iter().map(|p| outlines::index(p.try_into().unwrap())).collect();
    let data = Dataset { test: Split::sprites(places), ..data::load("sprites", &Options::WHOLE).unwrap() };
    let c = settings("beta-vae", &["data.name=sprites", "model.hidden=[]", "model.latent=3", "train.batch=100"]);
    let mut s = Session::encoder(exec::open(&Choice::Cpu).unwrap(), &c, data).unwrap();
    // The first codes are the moments of the lit pixels, along x and y; the third is nothing.
    let at = |p: usize| ((p % outlines::SIDE) as f32 - 31.5, (p / outlines::SIDE) as f32 - 31.5);
    let pixels = 0..outlines::SIDE.pow(2);
    let weight: Vec<f32> = pixels.clone().map(|p| at(p).0).chain(pixels.clone().map(|p| at(p).1)).collect();
    for (path, values) in [
        (
            "encoder.mean.weight",
            [weight, vec![0.0; pixels.len()]].concat().iter().map(|w| w / 1000.0).collect::<Vec<_>>(),
        ),
        ("encoder.mean.bias", vec![0.0; 3]),
    ] {
        let i = s.layout.find(path).unwrap_or_else(|| panic!("no {path}"));
        let place = &s.layout.places[i];
        s.exec.write(&s.layout.path(place.bucket), place.offset, &values.into()).unwrap();
    }
    let protocol = Protocol { train: 1000, test: 500, ..Protocol::default() };
    let codes = s.codes("test").unwrap();
    let right = score(&Grid::new(&sizes, codes.clone(), 3), &protocol, |_| ());
    // A place is read off a code that the size of the shape scales; three factors of five have no code of their own, and two
    // codes can vote for two factors: 2/5 is the most.
    assert!(right.mig > 0.2 && right.beta_vae > 0.6 && right.factor_vae.score > 0.35, "{right:?}");
    assert_eq!(right.factor_vae.active, 2, "{right:?}");
    // The same codes of other pictures.
    let mut rng = Rng::new("shuffled", 0);
    let mut order: Vec<(f64, usize)> = (0..codes.len() / 3).map(|i| (rng.unit(), i)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let moved = order.iter().flat_map(|&(_, i)| codes[3 * i..][..3].to_vec()).collect();
    let wrong = score(&Grid::new(&sizes, moved, 3), &protocol, |_| ());
    assert!(wrong.mig < 0.1 && wrong.beta_vae < 0.4, "{wrong:?}, {right:?}");
}

#[test]
fn what_cannot_be_measured_is_refused_before_anything_is() {
    let dir = tempfile::tempdir().unwrap();
    let small = "--device cpu --quiet --steps 4 --set data.limit=500 --set train.batch=50 --set model.hidden=[4]";
    succeeds(dir.path(), &format!("train vae {small} --set model.latent=2 --out mnist"));
    let refused = |arguments: &str, word: &str| {
        let refused = elbo(dir.path(), &format!("eval mnist --device cpu {arguments}"));
        let words = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), words.lines().count()), (Some(2), 1), "{arguments}: {words}");
        assert!(words.contains(word) && refused.stdout.is_empty(), "{arguments}: {words}");
    };
    refused("--disentanglement", "--disentanglement is of sprites");
    refused("--data sprites", "the examples of `sprites`, 64 × 64 × 1, do not fit the run mnist");
    refused("--set model.latent=3", "what may be others are model.alpha and those of data");
    refused("--set model.alpha=3", "model.alpha is a setting of model.kind = \"k-sparse\"");
    // Labels of the training images alone.
    let images = dir.path().join("halves");
    std::fs::create_dir(&images).unwrap();
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/mnist");
    for file in ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"] {
        std::fs::copy(shipped.join(file), images.join(file)).unwrap();
    }
    refused("--data halves --probe", "a probe is judged by them");
}

#[test]
fn k_sparse_codes_have_the_rows_that_are_kept_as_their_jacobian_and_alpha_keeps_more() {
    let dir = tempfile::tempdir().unwrap();
    let small = "--device cpu --quiet --steps 20 --set data.limit=300 --set train.batch=50 --set model.latent=40";
    succeeds(dir.path(), &format!("train k-sparse {small} --set model.k=5"));
    let square = |set: &str| {
        let (text, _) = succeeds(dir.path(), &format!("eval runs/k-sparse --device cpu --jacobian --json {set}"));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        (json["jacobian"].as_f64().unwrap(), json["squared error"].as_f64().unwrap())
    };
    let (kept, more, all) = (square(""), square("--set model.alpha=2"), square("--set model.alpha=8"));
    let run = elbo::checkpoint::read(&dir.path().join("runs/k-sparse/checkpoints/step-20.safetensors")).unwrap();
    let (_, w) = run.tensor("encoder.code.weight").unwrap();
    let HostBuf::F32(w) = w else { panic!("weights are real") };
    let whole: f64 = w.iter().map(|w| f64::from(*w).powi(2)).sum();
    assert!((all.0 - whole).abs() < 1e-4 * whole, "with all units kept J is W: {} of {whole}", all.0);
    assert!(kept.0 < 0.3 * whole && more.0 > 1.5 * kept.0 && more.0 < 0.5 * whole, "{kept:?} {more:?} {whole}");
}

//! The recipe `vae` where its answer is known: without hidden layers, with a Gaussian likelihood of fixed variance and a
//! full covariance it is probabilistic PCA (Tipping & Bishop 1999). Trained as a run trains it, by samples and Adam, θ and
//! φ in turn, it ends at the largest likelihood, which an eigendecomposition gives; and the bound that evaluation
//! estimates by samples is the one that the trained weights have in closed form.

mod common;
#[path = "common/run.rs"]
mod run;

use common::Rng;
use elbo::data::{Dataset, Split};
use elbo::exec::{self, Choice};
use elbo::train::Session;
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use run::{mean, settings, steps};
use std::f64::consts::{PI, TAU};

const N: usize = 128;
const D: usize = 6;
const K: usize = 2;
/// σ², fixed, in squared pixel units.
const VARIANCE: f64 = 0.01;
/// Nats below the largest likelihood that training may end at.
const DISTANCE: f64 = 0.02;

/// Grey images of D pixels: two directions of different lengths, and noise.
fn images() -> Split {
    let mut rng = Rng::new("linear", 3);
    let mut normal = || (-2.0 * rng.unit().ln()).sqrt() * (2.0 * PI * rng.unit()).cos();
    let w: Vec<f64> = (0..D * K).map(|i| normal() * [0.15, 0.1][i % K]).collect();
    let mut bytes = Vec::new();
    for _ in 0..N {
        let z: Vec<f64> = (0..K).map(|_| normal()).collect();
        bytes.extend((0..D).map(|i| {
            let x = 0.5 + (0..K).map(|k| w[i * K + k] * z[k]).sum::<f64>() + 0.1 * normal();
            (255.0 * x).round().clamp(0.0, 255.0) as u8
        }));
    }
    Split::stored(bytes, vec![], D)
}

fn pixels(images: &Split) -> DMatrix<f64> {
    DMatrix::from_row_iterator(N, D, images.bytes().iter().map(|&b| f64::from(b) / 255.0))
}

/// The largest mean log-likelihood for this σ²: with λ the eigenvalues of the covariance of x, WWᵀ + σ²I has the K largest,
/// where they are above σ², and σ² in all other directions.
fn closed_form(x: &DMatrix<f64>) -> f64 {
    let mean = x.row_mean();
    let centred = DMatrix::from_fn(N, D, |i, j| x[(i, j)] - mean[j]);
    let mut roots: Vec<f64> =
        SymmetricEigen::new(centred.tr_mul(&centred) / N as f64).eigenvalues.iter().copied().collect();
    roots.sort_by(|a, b| b.total_cmp(a));
    assert!(roots[K - 1] > 2.0 * VARIANCE, "both directions are to be learned: {roots:?}");
    let variance = |k: usize| if k < K { roots[k] } else { VARIANCE };
    -0.5 * (0..D).map(|k| TAU.ln() + variance(k).ln() + roots[k] / variance(k)).sum::<f64>()
}

/// The evidence lower bound of a session's weights, averaged over x, in closed form:
/// −½(‖x − Wμ − m‖² + ‖WL‖²)/σ² − ½D ln 2πσ² − KL.
fn bound(s: &mut Session, x: &DMatrix<f64>) -> f64 {
    let mut weights = |path: &str, rows: usize| {
        let i = s.layout.find(path).unwrap_or_else(|| panic!("no {path}"));
        let (place, len) = (s.layout.places[i], s.layout.params[i].shape.len());
        let all = s.exec.read(&s.layout.path(place.bucket)).unwrap();
        let values = all.f32()[place.offset..place.offset + len].iter().map(|&v| f64::from(v));
        DMatrix::from_row_iterator(rows, len / rows, values)
    };
    let mut layer =
        |path: &str, rows: usize| (weights(&format!("{path}.weight"), rows), weights(&format!("{path}.bias"), rows));
    let [mu, log_var, lower] =
        [("mean", K), ("log_var", K), ("lower", 1)].map(|(name, rows)| layer(&format!("encoder.{name}"), rows));
    let (w, m) = layer("decoder.output", D);
    let of = |(w, b): &(DMatrix<f64>, DMatrix<f64>), x: &DVector<f64>| w * x + b;
    let each = |i: usize| {
        let x = x.row(i).transpose();
        let (mu, log_var, u) = (of(&mu, &x), of(&log_var, &x), of(&lower, &x)[0]);
        let [a, b] = [0, 1].map(|k| (0.5 * log_var[k]).exp());
        let l = DMatrix::from_row_slice(K, K, &[a, 0.0, b * u, b]);
        let kl = 0.5 * (l.norm_squared() + mu.norm_squared() - K as f64 - log_var.sum());
        let residual = (&x - &w * &mu - &m).norm_squared() + (&w * &l).norm_squared();
        -0.5 * (residual / VARIANCE + D as f64 * (TAU * VARIANCE).ln()) - kl
    };
    (0..N).map(each).sum::<f64>() / N as f64
}

/// The mean of −(−ELBO) over evaluations with noise of their own, and its standard error.
fn estimated(s: &mut Session) -> (f64, f64) {
    const EVALUATIONS: u64 = 40;
    let draws: Vec<f64> = (0..EVALUATIONS)
        .map(|seed| {
            s.config.train.seed = seed;
            -mean(&s.evaluate("test").unwrap(), "-ELBO")
        })
        .collect();
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    (mean, (draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt())
}

#[test]
fn the_linear_vae_ends_at_the_likelihood_of_probabilistic_pca() {
    let images = images();
    let x = pixels(&images);
    let variance = format!("model.variance={VARIANCE}");
    let c = settings(
        "vae",
        &[
            "model.hidden=[]",
            "model.latent=2",
            "model.likelihood=gaussian",
            "model.posterior=full",
            &variance,
            "data.binarise=none",
            "train.batch=128",
            "model.samples=8",
            "train.alternate=[5,5]",
            "optimizer.learning_rate={values=[5e-2,1e-2,2e-3,5e-4],at=[0,1500,3000,4000]}",
        ],
    );
    let none = Split::stored(vec![], vec![], D);
    let data = Dataset {
        name: "linear".into(),
        sequence: None,
        shape: [2, 3, 1],
        train: images.clone(),
        validation: none,
        test: images.clone(),
    };
    let best = closed_form(&x);
    let mut s = Session::new(exec::open(&Choice::Cpu).unwrap(), &c, data, None).unwrap();
    let agrees = |s: &mut Session, when: &str| {
        let exact = bound(s, &x);
        let (mean, error) = estimated(s);
        println!("{when}: {exact}, by samples {mean} ± {error}; the closed form of the optimum {best}");
        assert!((mean - exact).abs() <= 4.0 * error, "{when}: by samples {mean} ± {error}, in closed form {exact}");
        assert!(exact <= best + 1e-4, "{when}: a bound of {exact} above the largest likelihood {best}");
        (exact, error)
    };
    let (first, error) = agrees(&mut s, "at first");
    assert!(error > 0.0 && error < 0.05 * first.abs(), "± {error} says little of {first}");
    s.config.train.seed = c.train.seed;
    steps(&mut s, 5000);
    let (end, error) = agrees(&mut s, "at the end");
    assert!(error < 0.5 * DISTANCE, "± {error} says little of {end}");
    assert!(best - first > 1.0 && best - end < DISTANCE, "from {first} to {end}, and not {best}");
}

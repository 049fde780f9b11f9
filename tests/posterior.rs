//! q(z | x) of a full covariance: by hand at f64; with zeros off the diagonal, the diagonal one; every executor.

mod common;
#[path = "common/run.rs"]
mod run;

use common::{Evaluated, Rng, param};
use elbo::config::{Covariance, Model, Objective, Vae, Variational};
use elbo::exec::Choice;
use elbo::graph::{Graph, Tensor};
use elbo::models;
use elbo::nn::{Gaussian, Mode, Scope};
use elbo::plan::Options;
use run::{losses, refusal, settings, ten_losses_agree};
use std::f64::consts::TAU;

const N: usize = 4;
const PIXELS: usize = 7;
const LATENT: usize = 5;
/// Of the triangle below the diagonal.
const NUMBERS: usize = LATENT * (LATENT - 1) / 2;
const SAMPLES: usize = 3;

/// A linear VAE.
fn model(posterior: Covariance, objective: Objective) -> Model {
    let net = Variational { hidden: vec![], latent: LATENT, posterior, samples: SAMPLES, ..Variational::default() };
    Model::Vae(Vae { net, objective, ..Vae::default() })
}

/// The graph's parts, with random weights; those of the triangle are multiplied by `off`.
fn evaluated<'g>(g: &'g Graph, parts: &[Tensor<'g>], off: f64) -> Vec<Vec<f64>> {
    let mut e = Evaluated::new(g, parts, Options::default());
    let known: Vec<String> = g.params().into_iter().map(|p| p.path).collect();
    let mut rng = Rng::new("posterior", 0);
    for (layer, rows, columns, scale) in [
        ("encoder.mean", LATENT, PIXELS, 1.0),
        ("encoder.log_var", LATENT, PIXELS, 1.0),
        ("decoder.output", PIXELS, LATENT, 1.0),
        ("encoder.lower", NUMBERS, PIXELS, off),
    ] {
        if known.iter().any(|p| *p == format!("{layer}.weight")) {
            e.set(&format!("{layer}.weight"), 0, &rng.between(rows * columns, -scale, scale));
            e.set(&format!("{layer}.bias"), 0, &rng.between(rows, -0.5 * scale, 0.5 * scale));
        }
    }
    e.set("x.pixels", 0, &Rng::new("pixels", 0).between(N * PIXELS, 0.0, 1.0));
    e.run()
}

fn pixels(g: &Graph) -> Tensor<'_> {
    param(g, "x.pixels", &[N, PIXELS]).with_batch_axis(0)
}

/// The loss, -ELBO, recon and KL of a model.
fn loss(posterior: Covariance, objective: Objective, off: f64) -> [f64; 4] {
    let g = Graph::new();
    let model = model(posterior, objective);
    let loss = models::of(&model).loss(&Scope::root(&g, Mode::Train), pixels(&g));
    let out = evaluated(&g, &[loss.total, loss.reported, loss.terms[0].1, loss.terms[1].1], off);
    [0, 1, 2, 3].map(|i| out[i][0])
}

fn near(what: &str, got: f64, want: f64) {
    // Constants of the graph are f32.
    assert!((got - want).abs() <= 2e-6 * want.abs().max(1.0), "{what}: {got}, expected {want}");
}

#[test]
fn with_zeros_off_the_diagonal_it_is_the_diagonal_posterior() {
    for objective in [Objective::Elbo, Objective::Iwae] {
        let diagonal = loss(Covariance::Diagonal, objective, 0.0);
        let full = loss(Covariance::Full, objective, 0.0);
        for ((what, full), diagonal) in ["loss", "-ELBO", "recon", "kl"].iter().zip(full).zip(diagonal) {
            near(&format!("{objective:?}, {what}"), full, diagonal);
        }
        let other = loss(Covariance::Full, objective, 0.5);
        assert!((0..4).all(|i| (other[i] - full[i]).abs() > 1e-3), "{other:?}, {full:?}");
    }
}

#[test]
fn its_sample_its_density_and_its_kl_are_those_of_their_definitions() {
    const D: usize = LATENT;
    let g = Graph::new();
    let net = Scope::root(&g, Mode::Train);
    let x = pixels(&g);
    let layer = |path: &str, outputs: usize| {
        let w = param(&g, &format!("{path}.weight"), &[outputs, PIXELS]);
        x.matmul_as(w, false, true) + param(&g, &format!("{path}.bias"), &[outputs])
    };
    let (mean, log_var) = (layer("encoder.mean", D), layer("encoder.log_var", D));
    // The diagonal of I as the constructor has it, ln 1, then U.
    let lower = layer("encoder.lower", NUMBERS).pad(&[0, D], &[N, D + NUMBERS]);
    let unit = Gaussian::from_packed(mean, lower).scale_tril;
    let noise = (&net / "encoder").normal(&[SAMPLES, N, D]);
    let (w, b) = (param(&g, "decoder.output.weight", &[PIXELS, D]), param(&g, "decoder.output.bias", &[PIXELS]));
    let out = evaluated(&g, &[x, mean, log_var, unit, noise, w * 1.0, b * 1.0], 0.5);
    let [x, mean, log_var, unit, noise, w, b] = &out[..] else { panic!("seven parts") };
    let (mut recon, mut log_w, mut kl) = (0.0, vec![vec![0.0; N]; SAMPLES], 0.0);
    for n in 0..N {
        let l = |i: usize, j: usize| (0.5 * log_var[n * D + i]).exp() * unit[(n * D + i) * D + j];
        let log_det: f64 = (0..D).map(|i| l(i, i).ln()).sum();
        for i in 0..D {
            assert_eq!(unit[(n * D + i) * D + i], 1.0);
            assert!((i + 1..D).all(|j| l(i, j) == 0.0) && (0..i).all(|j| l(i, j) != 0.0), "L is a lower triangle");
        }
        let squares = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>();
        let trace = squares(&mut (0..D * D).map(|k| l(k / D, k % D)));
        kl += 0.5 * (trace + squares(&mut (0..D).map(|i| mean[n * D + i])) - D as f64) - log_det;
        for (s, log_w) in log_w.iter_mut().enumerate() {
            let e = |j: usize| noise[(s * N + n) * D + j];
            let z: Vec<f64> = (0..D).map(|i| mean[n * D + i] + (0..=i).map(|j| l(i, j) * e(j)).sum::<f64>()).collect();
            // ln q by forward substitution from z, not by the noise.
            let mut white = [0.0; D];
            for i in 0..D {
                let known: f64 = (0..i).map(|j| l(i, j) * white[j]).sum();
                white[i] = (z[i] - mean[n * D + i] - known) / l(i, i);
            }
            let constant = 0.5 * D as f64 * TAU.ln();
            let log_q = -0.5 * squares(&mut white.into_iter()) - log_det - constant;
            let log_prior = -0.5 * squares(&mut z.iter().copied()) - constant;
            let pixel = |i: usize| {
                let a = b[i] + (0..D).map(|d| w[i * D + d] * z[d]).sum::<f64>();
                (1.0 + a.exp()).ln() - a * x[n * PIXELS + i]
            };
            let nll: f64 = (0..PIXELS).map(pixel).sum();
            recon += nll / SAMPLES as f64;
            log_w[n] = log_prior - nll - log_q;
        }
    }
    let (recon, kl) = (recon / N as f64, kl / N as f64);
    let got = loss(Covariance::Full, Objective::Elbo, 0.5);
    [recon + kl, recon + kl, recon, kl].iter().zip(got).for_each(|(want, got)| near("the ELBO", got, *want));
    let bound = |n: usize| (log_w.iter().map(|w| w[n].exp()).sum::<f64>() / SAMPLES as f64).ln();
    let want = -(0..N).map(bound).sum::<f64>() / N as f64;
    near("the bound", loss(Covariance::Full, Objective::Iwae, 0.5)[0], want);
}

#[test]
fn training_begins_with_the_diagonal_posterior() {
    let [diagonal, full] = ["diagonal", "full"].map(|posterior| {
        let posterior = format!("model.posterior={posterior}");
        losses(&Choice::Cpu, &settings("vae", &[SMALL, &[&posterior]].concat()), 10)
    });
    assert!((full[0] - diagonal[0]).abs() <= 1e-5 * diagonal[0], "{} and {}", full[0], diagonal[0]);
    assert!((full[9] - diagonal[9]).abs() > 1e-5 * diagonal[9], "and goes on with another: {full:?}, {diagonal:?}");
    // Of one dimension, both are the same.
    let one = |posterior| losses(&Choice::Cpu, &settings("vae", &[SMALL, &["model.latent=1", posterior]].concat()), 3);
    assert_eq!(one("model.posterior=full"), one("model.posterior=diagonal"));
}

const SMALL: &[&str] = &["model.posterior=full", "model.hidden=[32]", "model.latent=8", "train.batch=64"];

#[test]
fn ten_losses_agree_on_every_device() {
    ten_losses_agree("vae", SMALL);
    ten_losses_agree("vae", &[SMALL, &["model.objective=iwae", "model.samples=3"]].concat());
    ten_losses_agree("beta-vae", &[SMALL, &["model.control=limit", "model.rate=0.1"]].concat());
}

#[test]
fn settings_that_cannot_be_are_refused_by_key() {
    let wide = "model.latent must be at most 128 where model.posterior is full, not 129";
    assert_eq!(refusal("vae", &["model.latent=129", "model.posterior=full"]), wide);
    settings("vae", &["model.latent=128", "model.posterior=full"]);
    settings("vae", &["model.latent=129"]);
    let posterior = "model.posterior cannot be \"fll\": expected `diagonal` or `full`";
    assert_eq!(refusal("vae", &["model.posterior=fll"]), posterior);
}

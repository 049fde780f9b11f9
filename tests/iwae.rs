//! The importance-weighted bound: by hand at f64, its slope, one sample, more samples, every executor.

mod common;
#[path = "common/run.rs"]
mod run;

use common::{Evaluated, Rng, param};
use elbo::config::{Activation, Likelihood, Model, Objective, Vae, Variational};
use elbo::exec::Choice;
use elbo::graph::{Graph, Tensor, grad};
use elbo::models;
use elbo::nn::{Mode, Scope};
use elbo::plan::Options;
use run::{mean, refusal, session, settings, steps, ten_losses_agree};
use std::f64::consts::TAU;

const N: usize = 4;
const PIXELS: usize = 7;
const LATENT: usize = 3;

/// A linear VAE: what is above its layers is computed by hand.
fn model(likelihood: Likelihood, samples: usize, objective: Objective) -> Model {
    let activation = Activation::Relu;
    let net = Variational {
        hidden: vec![],
        latent: LATENT,
        activation,
        likelihood,
        variance: 0.5,
        samples,
        ..Variational::default()
    };
    Model::Vae(Vae { net, objective, ..Vae::default() })
}

/// The graph's parts, its weights and pixels set to the same random numbers at every call.
fn evaluated<'g>(g: &'g Graph, parts: &[Tensor<'g>]) -> Evaluated {
    let mut e = Evaluated::new(g, parts, Options::default());
    let mut rng = Rng::new("iwae", 0);
    for (layer, rows, columns) in
        [("encoder.mean", LATENT, PIXELS), ("encoder.log_var", LATENT, PIXELS), ("decoder.output", PIXELS, LATENT)]
    {
        e.set(&format!("{layer}.weight"), 0, &rng.between(rows * columns, -1.0, 1.0));
        e.set(&format!("{layer}.bias"), 0, &rng.between(rows, -0.5, 0.5));
    }
    e.set("x.pixels", 0, &rng.between(N * PIXELS, 0.0, 1.0));
    e
}

fn pixels(g: &Graph) -> Tensor<'_> {
    param(g, "x.pixels", &[N, PIXELS]).with_batch_axis(0)
}

/// x Wᵀ + b.
fn layer<'g>(g: &'g Graph, path: &str, x: Tensor<'g>, outputs: usize) -> Tensor<'g> {
    let w = param(g, &format!("{path}.weight"), &[outputs, x.shape().last()]);
    x.matmul_as(w, false, true) + param(g, &format!("{path}.bias"), &[outputs])
}

/// ln w \[samples\]\[example\], and the exact KL of each example, by hand: layers, noise and pixels from the graph, densities
/// from their definitions.
fn by_hand(likelihood: Likelihood, samples: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
    let g = Graph::new();
    let net = Scope::root(&g, Mode::Train);
    let x = pixels(&g);
    let (mu, lv) = (layer(&g, "encoder.mean", x, LATENT), layer(&g, "encoder.log_var", x, LATENT));
    let noise = (&net / "encoder").normal(&[samples, N, LATENT]);
    let z = mu + (lv * 0.5).exp() * noise;
    let y = layer(&g, "decoder.output", z.reshape(&[samples * N, LATENT]), PIXELS);
    let out = evaluated(&g, &[x, mu, lv, z, y]).run();
    let [x, mu, lv, z, y] = &out[..] else { panic!("five parts") };
    let normal = |x: f64, mean: f64, variance: f64| -0.5 * ((x - mean).powi(2) / variance + (TAU * variance).ln());
    let log_weight = |s: usize, n: usize| {
        let latent = |d: usize| {
            let (z, at) = (z[(s * N + n) * LATENT + d], n * LATENT + d);
            normal(z, 0.0, 1.0) - normal(z, mu[at], lv[at].exp())
        };
        let pixel = |i: usize| {
            let (x, y) = (x[n * PIXELS + i], y[(s * N + n) * PIXELS + i]);
            let p = 1.0 / (1.0 + (-y).exp());
            match likelihood {
                Likelihood::Bernoulli => x * p.ln() + (1.0 - x) * (1.0 - p).ln(),
                Likelihood::Gaussian => normal(x, y, 0.5),
            }
        };
        (0..LATENT).map(latent).sum::<f64>() + (0..PIXELS).map(pixel).sum::<f64>()
    };
    let kl = |n: usize| {
        let of = |at: usize| 0.5 * (mu[at].powi(2) + lv[at].exp() - lv[at] - 1.0);
        (0..LATENT).map(|d| of(n * LATENT + d)).sum()
    };
    ((0..samples).map(|s| (0..N).map(|n| log_weight(s, n)).collect()).collect(), (0..N).map(kl).collect())
}

fn average(v: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = v.len() as f64;
    v.sum::<f64>() / n
}

#[test]
fn the_bound_is_that_of_its_definition() {
    for likelihood in [Likelihood::Bernoulli, Likelihood::Gaussian] {
        for samples in [1, 5] {
            let g = Graph::new();
            let net = Scope::root(&g, Mode::Train);
            let model = model(likelihood, samples, Objective::Iwae);
            let loss = models::of(&model).loss(&net, pixels(&g));
            let terms: Vec<Tensor<'_>> = loss.terms.iter().map(|t| t.1).collect();
            let out = evaluated(&g, &[loss.total, loss.reported, terms[0], terms[1]]).run();
            let [total, reported, recon, kl] = [0, 1, 2, 3].map(|i| out[i][0]);
            let (log_w, exact_kl) = by_hand(likelihood, samples);
            let bound = |n: usize| average(log_w.iter().map(|w| w[n].exp())).ln();
            let want = -average((0..N).map(bound));
            // Constants of the graph are f32.
            let near = |what: &str, got: f64, want: f64| {
                let text = format!("{likelihood:?}, {samples} samples, {what}: {got}, expected {want}");
                assert!((got - want).abs() <= 2e-6 * want.abs().max(1.0), "{text}");
            };
            near("-IWAE", total, want);
            near("KL", kl, average(exact_kl.into_iter()));
            near("-ELBO", reported, recon + kl);
            let elbo = average(log_w.iter().flatten().copied().collect::<Vec<_>>().into_iter());
            if samples == 1 {
                // The ELBO of one sample, its KL by Monte Carlo: ln q − ln p of that sample in place of the exact one.
                near("-ELBO with the Monte-Carlo KL", total, -elbo);
                assert!((total - reported).abs() > 1e-3, "which is another number than with the exact KL");
            } else {
                assert!(total < -elbo - 1e-3, "{likelihood:?}: ln of a mean is above the mean of ln");
            }
        }
    }
}

#[test]
fn its_gradient_is_its_slope() {
    for likelihood in [Likelihood::Bernoulli, Likelihood::Gaussian] {
        let g = Graph::new();
        let net = Scope::root(&g, Mode::Train);
        let x = pixels(&g);
        let model = model(likelihood, 3, Objective::Iwae);
        let total = models::of(&model).loss(&net, x).total;
        let sizes = [("encoder.mean.bias", LATENT), ("encoder.log_var.bias", LATENT), ("decoder.output.bias", PIXELS)];
        let wrt = sizes.map(|(path, n)| param(&g, path, &[n]));
        let parts = [&[total][..], &grad(total, &wrt)].concat();
        let at = evaluated(&g, &parts).run();
        let mut rng = Rng::new("slope", 0);
        for (k, (path, n)) in sizes.into_iter().enumerate() {
            let base = rng.between(n, -0.5, 0.5);
            let value = |moved: &[f64]| {
                let mut e = evaluated(&g, &parts);
                e.set(path, 0, moved);
                e.run()
            };
            let slope = value(&base)[1 + k].clone();
            assert_ne!(slope, at[1 + k], "{path} is read");
            for i in 0..n {
                let by = |h: f64| {
                    let mut moved = base.clone();
                    moved[i] += h;
                    value(&moved)[0][0]
                };
                let h = 1e-4;
                let want = (by(h) - by(-h)) / (2.0 * h);
                let text = format!("{likelihood:?}, {path}[{i}]: {}, expected {want}", slope[i]);
                assert!((slope[i] - want).abs() <= 1e-6 * want.abs().max(1.0), "{text}");
            }
        }
    }
}

const SMALL: &[&str] = &["model.objective=iwae", "model.hidden=[32]", "model.latent=8", "train.batch=64"];

#[test]
fn the_bound_is_tighter_with_more_samples() {
    let mut trained = session(&Choice::Cpu, &settings("vae", SMALL));
    steps(&mut trained, 150);
    let mut bound = |samples: usize| {
        let c = settings("vae", &[SMALL, &[&format!("model.samples={samples}")]].concat());
        let mut s = session(&Choice::Cpu, &c);
        for path in (0..s.layout.buckets.len()).map(|bucket| s.layout.path(bucket)) {
            let weights = trained.exec.read(&path).unwrap();
            s.exec.write(&path, 0, &weights).unwrap();
        }
        let e = s.evaluate("test").unwrap();
        assert_eq!(e.means.values().map(|v| v.0).collect::<Vec<_>>(), ["-ELBO", "recon", "kl", "-IWAE"]);
        (mean(&e, "-ELBO"), mean(&e, "-IWAE"))
    };
    let [one, five, fifty] = [1, 5, 50].map(&mut bound);
    println!("{one:?} {five:?} {fifty:?}");
    assert!((one.1 - one.0).abs() < 0.5, "one sample: the ELBO, but for the noise of its KL: {one:?}");
    assert!(five.1 < one.1 - 0.5, "five samples: {five:?}, one: {one:?}");
    assert!(fifty.1 < five.1 - 0.3, "fifty samples: {fifty:?}, five: {five:?}");
    assert!((fifty.0 - one.0).abs() < 0.5, "the ELBO stays where it is: {fifty:?}, {one:?}");
}

#[test]
fn ten_losses_agree_on_every_device() {
    ten_losses_agree("vae", &[SMALL, &["model.samples=4"]].concat());
    ten_losses_agree("vae", &[SMALL, &["model.samples=4", "model.likelihood=gaussian", "data.binarise=none"]].concat());
}

#[test]
fn settings_that_cannot_be_are_refused_by_key() {
    let beta = "model.beta must be 1 where model.objective is iwae: that bound has no KL term to weigh";
    assert_eq!(refusal("vae", &["model.objective=iwae", "model.beta=4"]), beta);
    assert_eq!(refusal("vae", &["model.objective=iwae", "model.beta={from=0,to=1,steps=9}"]), beta);
    let objective = "model.objective cannot be \"iwea\": expected `elbo` or `iwae`";
    assert_eq!(refusal("vae", &["model.objective=iwea"]), objective);
}

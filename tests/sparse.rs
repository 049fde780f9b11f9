//! Sparse and k-sparse autoencoders: the penalty and its gradient, averages over batches and over steps, exactly k units,
//! no gradient outside them, and what evaluation keeps.

mod common;
#[path = "common/run.rs"]
mod run;

use common::{Evaluated, Rng, param, total};
use elbo::config::{KSparse, Model, Schedule, Sparse};
use elbo::exec::{self, Choice};
use elbo::graph::{BATCH, Count, Graph, Init, Tensor, grad};
use elbo::models;
use elbo::nn::{Mode, Scope, bernoulli_kl, moving_average};
use elbo::plan::Options;
use elbo::train::Session;
use elbo::values::Shape;
use run::{EXAMPLES, devices, losses, mean, refusal, session, settings, steps, ten_losses_agree};

/// Networks small enough for the reference.
const SMALL: &[&str] = &["model.latent=32", "train.batch=64"];

fn near(what: &str, got: f64, want: f64, relative: f64) {
    assert!((got - want).abs() <= relative * (1e-6 + want.abs()), "{what}: {got}, expected {want}");
}

/// The place of a metric in the rows of training.
fn column(s: &Session, name: &str) -> usize {
    let names = &s.train.plan.log.as_ref().unwrap().names;
    names.iter().position(|n| n == name).unwrap_or_else(|| panic!("no {name} in {names:?}"))
}

// ------------------------------------------------------------------------------------------------ the penalty

#[test]
fn the_divergence_of_bits_is_that_of_its_definition() {
    let at = [0.0, 1e-7, 1e-3, 0.02, 0.05, 0.3, 0.5, 0.97, 1.0f32];
    for rho in [0.05, 0.5, 0.9] {
        let want = |r: f32| {
            let r = f64::from(r).clamp(1e-6, 1.0 - 1e-6);
            rho * (rho / r).ln() + (1.0 - rho) * ((1.0 - rho) / (1.0 - r)).ln()
        };
        for device in devices() {
            let g = Graph::new();
            let kl = bernoulli_kl(rho, g.input("r", &[at.len()]));
            let mut e = exec::open(&device).unwrap();
            let out = exec::run(&mut *e, &g, &[("r", at.to_vec().into())], &[kl]).unwrap();
            for (&r, &kl) in at.iter().zip(out[0].f32()) {
                // What ln may lose near 1, and what f32 makes of 1 - 1e-6.
                let allowed = 2e-6 + if r == 1.0 { 0.02 * (1.0 - rho) } else { 0.0 };
                let off = (f64::from(kl) - want(r)).abs();
                assert!(off <= allowed + 1e-6 * want(r), "{device}, KL({rho} ‖ {r}): {kl}, not {}", want(r));
            }
        }
        assert!(want(rho as f32).abs() < 1e-9 && want(0.2) > 0.0);
    }
}

/// ∂/∂aₙⱼ of Σⱼ KL(ρ ‖ ρ̂ⱼ) is c·(−ρ/ρ̂ⱼ + (1 − ρ)/(1 − ρ̂ⱼ))·h(1 − h); c is 1/N over a batch of N, and of a moving
/// average (1 − decay)/N, times the correction for its beginning.
#[test]
fn the_gradient_of_the_penalty_is_that_of_the_papers() {
    const N: usize = 6;
    const UNITS: usize = 5;
    // What `Evaluated` has as the step's first scalar, here the correction.
    let (rho, decay, correction) = (0.05, 0.9, 0.75);
    let a = Rng::new("activations", 0).between(N * UNITS, -4.0, 1.0);
    let past = [0.01, 0.3, 0.05, 0.9, 0.12];
    let h: Vec<f64> = a.iter().map(|a| 1.0 / (1.0 + (-a).exp())).collect();
    let mean = |j: usize| (0..N).map(|n| h[n * UNITS + j]).sum::<f64>() / N as f64;
    for ema in [false, true] {
        let g = Graph::new();
        let x = param(&g, "net.a", &[N, UNITS]);
        let mean_h = x.with_batch_axis(0).sigmoid().mean(BATCH);
        let net = Scope::root(&g, Mode::Train) / "sparsity";
        let rho_hat = if ema { moving_average(&net, mean_h, decay) } else { mean_h };
        let d = grad(total(bernoulli_kl(rho, rho_hat)), &[x]);
        let mut e = Evaluated::new(&g, &d, Options::default());
        e.set("net.a", 0, &a);
        if ema {
            e.set_state("state/sparsity.average", &past);
        }
        for (i, got) in e.run()[0].iter().enumerate() {
            let j = i % UNITS;
            let (r, c) = match ema {
                true => (
                    correction * (decay * f64::from(past[j] as f32) + (1.0 - decay) * mean(j)),
                    correction * (1.0 - decay) / N as f64,
                ),
                false => (mean(j), 1.0 / N as f64),
            };
            let want = c * (-rho / r + (1.0 - rho) / (1.0 - r)) * h[i] * (1.0 - h[i]);
            // Constants of the graph are f32.
            near(&format!("ema {ema}, {i}"), *got, want, 2e-6);
        }
    }
}

#[test]
fn every_hidden_layer_is_penalised_and_logged() {
    for device in devices() {
        let c = settings("sparse", &[SMALL, &["model.hidden=[24]", "model.weight=2"]].concat());
        let mut s = session(&device, &c);
        let rows = steps(&mut s, 2);
        let [loss, error, sparsity] = ["loss", "squared error", "sparsity"].map(|n| column(&s, n));
        assert_eq!(s.train.plan.log.as_ref().unwrap().names[3..6], ["rho.1", "rho.2", "rho.3"]);
        for row in &rows {
            near("the loss", row[loss].into(), f64::from(row[error]) + 2.0 * f64::from(row[sparsity]), 1e-5);
        }
        // The encoder's, the code and the decoder's; one layer has one mean.
        let first = Sparse { net: elbo::config::Dense { hidden: vec![], ..net_of(&c) }, ..Sparse::default() };
        assert_eq!(terms_of(&first), ["squared error", "sparsity", "rho.1"]);
        // In evaluation, means over the examples and no penalty, whatever the batch.
        let [whole, parts] = ["train.batch=512", "train.batch=100"].map(|batch| {
            let c = settings("sparse", &[SMALL, &["model.hidden=[]", batch]].concat());
            session(&device, &c).evaluate("test").unwrap()
        });
        near("rho.1 by batches", mean(&parts, "rho.1"), mean(&whole, "rho.1"), 1e-5);
        assert_eq!(whole.means.values().map(|v| v.0).collect::<Vec<_>>(), ["squared error", "rho.1"]);
        let mut s = session(&device, &settings("sparse", SMALL));
        let codes = s.encode("test", 0, EXAMPLES).unwrap();
        let of_codes = codes.iter().map(|&v| f64::from(v)).sum::<f64>() / codes.len() as f64;
        near("the mean of the codes", mean(&whole, "rho.1"), of_codes, 1e-5);
    }
}

fn net_of(c: &elbo::config::Config) -> elbo::config::Dense {
    let Model::Sparse(s) = &c.model else { panic!("a sparse autoencoder") };
    s.net.clone()
}

fn terms_of(model: &Sparse) -> Vec<&'static str> {
    let g = Graph::new();
    let x = g.input("x", &[4, 9]).with_batch_axis(0);
    let model = Model::Sparse(model.clone());
    models::of(&model).loss(&Scope::root(&g, Mode::Train), x).terms.iter().map(|t| t.0).collect()
}

#[test]
fn without_weight_it_is_the_plain_autoencoder() {
    let network = [
        "train.batch=64",
        "model.hidden=[24]",
        "model.latent=16",
        "model.activation=sigmoid",
        "model.code=sigmoid",
        "optimizer.learning_rate=1e-3",
    ];
    let plain = losses(&Choice::Cpu, &settings("ae", &network), 10);
    let weightless = losses(&Choice::Cpu, &settings("sparse", &[&network[..], &["model.weight=0"]].concat()), 10);
    plain.iter().zip(&weightless).for_each(|(a, b)| near("weight 0", *b, *a, 1e-5));
    let weighted = losses(&Choice::Cpu, &settings("sparse", &network), 10);
    assert!(weighted[0] > 1.05 * plain[0], "{weighted:?}");
}

#[test]
fn the_moving_average_is_state_that_follows_the_batches_and_is_kept() {
    for device in devices() {
        let c = settings("sparse", &[SMALL, &["model.average=ema", "model.decay=0.75"]].concat());
        let mut s = session(&device, &c);
        let path = "state/sparsity.1.average";
        assert!(s.state().any(|kept| kept.path == path && kept.len == 32), "{device}: kept in checkpoints");
        assert!(s.exec.read(path).unwrap().f32().iter().all(|&v| v == 0.0), "{device}: zeros at first");
        let rho = column(&s, "rho.1");
        let rows = steps(&mut s, 7);
        let want = rows.iter().fold(0.0, |r, row| 0.75 * r + 0.25 * f64::from(row[rho]));
        let state = s.exec.read(path).unwrap();
        let mean = state.f32().iter().map(|&v| f64::from(v)).sum::<f64>() / 32.0;
        near(&format!("{device}: the average of all units"), mean, want, 1e-5);
        // The first step has no past: its penalty is that of the batch.
        let other = settings("sparse", SMALL);
        let batch = steps(&mut session(&device, &other), 2);
        let sparsity = column(&s, "sparsity");
        near("the first penalty", rows[0][sparsity].into(), batch[0][sparsity].into(), 1e-4);
        assert!(rows[1][sparsity] != batch[1][sparsity], "{device}: the second is another");
    }
}

/// The penalty holds the means of what is trained on; on 512 images those of others are near, no more.
#[test]
fn units_end_at_the_mean_activation_that_was_asked_for() {
    for changes in [
        &["model.weight=40"][..],
        &["model.weight=400", "model.average=ema"],
        &["model.weight=40", "model.hidden=[40]"],
    ] {
        let quick = [
            "train.batch=64",
            "model.latent=32",
            "model.rho=0.1",
            "optimizer.learning_rate={values=[1e-2,1e-3],at=[0,250]}",
        ];
        let mut s = session(&Choice::Cpu, &settings("sparse", &[&quick[..], changes].concat()));
        let before = mean(&s.evaluate("test").unwrap(), "squared error");
        let rows = steps(&mut s, 350);
        let layers = if changes.len() == 2 && changes[1].contains("hidden") { 3 } else { 1 };
        for layer in 1..=layers {
            let at = column(&s, &format!("rho.{layer}"));
            let mean = |rows: &[Vec<f32>]| rows.iter().map(|r| f64::from(r[at])).sum::<f64>() / rows.len() as f64;
            let (first, last) = (mean(&rows[..1]), mean(&rows[310..]));
            assert!(first > 0.3, "{changes:?}: layer {layer} is far off at first: {first}");
            assert!((0.08..=0.12).contains(&last), "{changes:?}: layer {layer}: {last}");
            println!("{changes:?}: layer {layer}: {last}");
        }
        let after = mean(&s.evaluate("test").unwrap(), "squared error");
        assert!(after < 0.6 * before, "{changes:?}: and it learns: {before}, {after}");
    }
}

// ------------------------------------------------------------------------------------------------ the k largest

#[test]
fn nothing_outside_the_k_has_a_gradient() {
    const N: usize = 5;
    const D: usize = 11;
    const UNITS: usize = 24;
    for device in devices() {
        let mut e = exec::open(&device).unwrap();
        let x: Vec<f32> = Rng::new("x", 0).between(N * D, 0.0, 1.0).iter().map(|&v| v as f32).collect();
        // The whole model: weights and biases of units that no example keeps.
        let g = Graph::new();
        let net = Scope::root(&g, Mode::Train);
        let input = g.input("x", &[N, D]).with_batch_axis(0);
        let model = Model::KSparse(KSparse { latent: UNITS, k: Schedule::Constant(2.0), alpha: 1.0 });
        let z = models::of(&model).encode(&net, input);
        let loss = models::of(&model).loss(&net, input).total;
        let of = |path: &str, dims: &[usize]| g.param(path, Shape::new(dims), Init::Uniform { bound: 1.0 });
        let d = grad(loss, &[of("encoder.code.weight", &[UNITS, D]), of("encoder.code.bias", &[UNITS])]);
        let out = exec::run(&mut *e, &g, &[("x", x.into())], &[z, d[0], d[1]]).unwrap();
        let (z, dw, db) = (out[0].f32(), out[1].f32(), out[2].f32());
        let kept: Vec<bool> = (0..UNITS).map(|j| (0..N).any(|n| z[n * UNITS + j] != 0.0)).collect();
        let count = kept.iter().filter(|&&k| k).count();
        assert!((2..=2 * N).contains(&count), "{device}: {count} units are kept");
        for (j, &kept) in kept.iter().enumerate() {
            let row = &dw[j * D..][..D];
            assert_eq!(row.iter().all(|&v| v == 0.0), !kept, "{device}: the row of unit {j}: {row:?}");
            assert_eq!(db[j] == 0.0, !kept, "{device}: the bias of unit {j}: {}", db[j]);
        }
        // The code itself, example by example.
        let g = Graph::new();
        let a = g.input("a", &[N, UNITS]);
        let mask = a.top_k(Count::Fixed(3));
        let y = (a * mask).matmul(of_graph(&g, UNITS, D));
        let da = grad(total(y.square()), &[a])[0];
        let values: Vec<f32> = Rng::new("a", 0).away(N * UNITS).iter().map(|&v| v as f32).collect();
        let mut e = exec::open(&device).unwrap();
        let out = exec::run(&mut *e, &g, &[("a", values.into())], &[mask, da]).unwrap();
        assert_eq!(out[0].f32().iter().sum::<f32>(), 3.0 * N as f32, "{device}");
        for (i, (&m, &d)) in out[0].f32().iter().zip(out[1].f32()).enumerate() {
            assert_eq!(d != 0.0, m == 1.0, "{device}: ∂/∂a at {i} is {d}, the mask {m}");
        }
    }
}

fn of_graph(g: &Graph, units: usize, d: usize) -> Tensor<'_> {
    param(g, "decoder.weight", &[units, d])
}

#[test]
fn training_keeps_k_by_schedule_and_evaluation_alpha_times_the_last() {
    for device in devices() {
        let ramp = &["model.k={from=20,to=5,steps=6}", "model.alpha=1.5"];
        let mut s = session(&device, &settings("k-sparse", &[SMALL, ramp].concat()));
        let k = column(&s, "k");
        // 5 · 1.5 = 7.5, before the first step as after the last.
        for _ in 0..2 {
            assert_eq!(mean(&s.evaluate("test").unwrap(), "k"), 8.0, "{device}");
            let codes = s.encode("test", 0, 50).unwrap();
            assert!(codes.chunks(32).all(|z| z.iter().filter(|&&v| v != 0.0).count() == 8), "{device}");
            let kept: Vec<f32> = steps(&mut s, 8).iter().map(|row| row[k]).collect();
            assert_eq!(
                kept,
                [20.0, 18.0, 15.0, 13.0, 10.0, 8.0, 5.0, 5.0],
                "{device}: 17.5, 12.5 and 7.5 are rounded up"
            );
        }
    }
}

/// A softmax that is trained on the code sees the units that evaluation keeps, from its first step on: its schedule of k is
/// the autoencoder's, and over.
#[test]
fn a_classifier_on_the_code_does_not_follow_the_schedule_of_k() {
    let rows = |k: &str| {
        let changes = [SMALL, &["classifier.classes=10", "classifier.freeze=true", k]].concat();
        steps(&mut session(&Choice::Cpu, &settings("k-sparse", &changes)), 6)
    };
    assert_eq!(rows("model.k={from=30,to=5,steps=100}"), rows("model.k=5"));
}

#[test]
fn what_is_kept_are_the_largest_by_sign() {
    for device in devices() {
        let codes = |k: &str| session(&device, &settings("k-sparse", &[SMALL, &[k]].concat())).encode("test", 0, 40);
        let (all, few) = (codes("model.k=32").unwrap(), codes("model.k=6").unwrap());
        assert!(all.iter().any(|&v| v < 0.0), "{device}");
        let mut by_magnitude_too = 0;
        for (all, few) in all.chunks(32).zip(few.chunks(32)) {
            let mut order: Vec<usize> = (0..32).collect();
            order.sort_by(|&i, &j| all[j].total_cmp(&all[i]));
            let want: Vec<f32> = (0..32).map(|j| if order[..6].contains(&j) { all[j] } else { 0.0 }).collect();
            assert_eq!(few, want, "{device}");
            order.sort_by(|&i, &j| all[j].abs().total_cmp(&all[i].abs()));
            by_magnitude_too += usize::from(order[..6].iter().all(|&j| few[j] != 0.0));
        }
        assert!(by_magnitude_too < 40, "{device}: the sign must matter somewhere");
    }
}

// ------------------------------------------------------------------------------------------------ both

#[test]
fn ten_losses_agree_on_every_device() {
    ten_losses_agree("sparse", SMALL);
    ten_losses_agree("sparse", &[SMALL, &["model.average=ema", "model.weight={from=3,to=1,steps=8}"]].concat());
    let deep = ["model.hidden=[40]", "model.tied=true", "model.loss=cross-entropy"];
    ten_losses_agree("sparse", &[SMALL, &deep].concat());
    ten_losses_agree("k-sparse", &[SMALL, &["model.k=4"]].concat());
    ten_losses_agree("k-sparse", &[SMALL, &["model.k={from=20,to=5,steps=6}"]].concat());
}

#[test]
fn settings_that_cannot_be_are_refused_by_key() {
    let sigmoid = "must be sigmoid where model.kind is sparse: the penalty takes an activation for a probability";
    let cases: &[(&str, &[&str], &str)] = &[
        ("sparse", &["model.activation=relu"], &format!("model.activation {sigmoid}")),
        ("sparse", &["model.code=linear"], &format!("model.code {sigmoid}")),
        ("sparse", &["model.rho=0"], "model.rho must be above 0 and below 1, not 0"),
        ("sparse", &["model.rho=1"], "model.rho must be above 0 and below 1, not 1"),
        ("sparse", &["model.rho=nan"], "model.rho must be above 0 and below 1, not NaN"),
        ("sparse", &["model.decay=1"], "model.decay must be at least 0 and below 1, not 1"),
        ("sparse", &["model.weight=-1"], "model.weight must be at least 0 at every step, not -1"),
        ("sparse", &["model.average=all"], "model.average cannot be \"all\": expected `batch` or `ema`"),
        (
            "sparse",
            &["model.hidden=[8,8,8,8,8,8,8,8]"],
            "model.hidden may have 7 layers where model.kind is sparse, not 8",
        ),
        ("k-sparse", &["model.k=0"], "model.k must be at least 1 at every step, not 0"),
        ("k-sparse", &["model.latent=50"], "model.k must be at most model.latent = 50 at every step, not 100"),
        ("k-sparse", &["model.alpha=0.5"], "model.alpha must be finite and at least 1, not 0.5"),
        (
            "k-sparse",
            &["model.alpha=100"],
            "model.alpha = 100 times the last model.k = 25 keeps 2500 units, more than model.latent = 1000",
        ),
    ];
    for (recipe, changes, want) in cases {
        assert_eq!(refusal(recipe, changes), *want);
    }
    settings("sparse", &["model.hidden=[8,8,8,8,8,8,8]"]);
    settings("k-sparse", &["model.alpha=40"]);
    // What counts is what is kept: k and αk are rounded.
    let of = |k: &'static str, alpha: &'static str| vec!["model.latent=10", k, alpha];
    assert_eq!(
        refusal("k-sparse", &of("model.k=2.5", "model.alpha=4")),
        "model.alpha = 4 times the last model.k = 2.5 keeps 12 units, more than model.latent = 10"
    );
    settings("k-sparse", &of("model.k=2.4", "model.alpha=4.5"));
}

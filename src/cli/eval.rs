//! `elbo eval RUN`: what a run's model comes to on held-out examples.

use super::common::show;
use super::trained::{Run, Trained};
use crate::config::Activation;
use crate::data::Split;
use crate::eval::{Labelled, Pca, Probe, Surgery, active_units, mean_and_error};
use crate::models;
use crate::train::labels;
use crate::train::progress::thousands;
use crate::values::{Error, Result, note};
use serde_json::{Map, Value, json};

/// Arguments of `elbo eval`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: Run,
    /// The split: test or validation
    #[arg(long, default_value = "test", value_parser = ["test", "validation"])]
    split: String,
    /// Estimate ln p(x) too, by K importance samples an example; 5000 is usual, and takes minutes
    #[arg(long, value_name = "K", value_parser = samples)]
    samples: Option<usize>,
    /// Compare linear probes too: logistic regression on the codes, and on the pixels
    #[arg(long)]
    probe: bool,
    /// Measure ‖J‖ of the encoder too, J = ∂code/∂x
    #[arg(long)]
    jacobian: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// The most importance samples.
const MOST: usize = 1_000_000;

fn samples(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=MOST).contains(&n) => Ok(n),
        _ => Err(format!("write a number from 1 to {MOST}")),
    }
}

/// Numbers by name, and the same in words, a line each.
#[derive(Default)]
struct Findings {
    numbers: Map<String, Value>,
    lines: Vec<String>,
}

impl Findings {
    fn add<const N: usize>(&mut self, numbers: [(&str, Value); N], line: String) {
        self.numbers.extend(numbers.map(|(name, v)| (name.to_string(), v)));
        self.lines.push(line);
    }
}

pub fn run(a: Args) -> Result<()> {
    let mut t = a.run.open()?;
    let mut found = Findings::default();
    let e = t.session.evaluate(&a.split)?;
    for (name, v) in [
        ("run", json!(a.run.run)),
        ("step", json!(t.step)),
        ("split", json!(a.split)),
        ("examples", json!(t.session.examples(&a.split)?)),
    ] {
        found.numbers.insert(name.into(), v);
    }
    found.numbers.extend(e.means.values().map(|(n, v)| (n.to_string(), json!(v))));
    found.lines.push(format!("{} {}", a.split, e.sentence()));
    let measured = e.means.values().next().is_some_and(|(name, _)| name == "squared error");
    if measured {
        pca(&t, &a, e.unit, &mut found);
    }
    if t.session.config.classifier.wanted() {
        refuse_of_classifier(&a)?;
    } else {
        posteriors(&mut t, &a, &mut found)?;
        likelihood(&mut t, &a, &mut found)?;
    }
    if a.jacobian {
        jacobian(&mut t, &a, &mut found)?;
    }
    if a.probe {
        probe(&mut t, &a, &mut found)?;
    }
    if a.json {
        return show(&format!("{}\n", Value::Object(found.numbers)));
    }
    show(&(found.lines.join("\n") + "\n"))
}

fn held_out<'t>(t: &'t Trained, a: &Args) -> &'t Split {
    if a.split == "test" { &t.data.test } else { &t.data.validation }
}

/// A classifier has an encoder alone, and its own measure of it.
fn refuse_of_classifier(a: &Args) -> Result<()> {
    if a.samples.is_some() || a.probe || a.jacobian {
        return Err(Error::usage(format!(
            "{} is a classifier, measured by its error: --samples, --probe and --jacobian are for the run that it was made \
             from",
            a.run.run.display()
        )));
    }
    Ok(())
}

/// The linear model of the same width, beside a model that is measured by the same number; as wide as the picture, it loses
/// nothing.
fn pca(t: &Trained, a: &Args, unit: &str, found: &mut Findings) {
    let (latent, n) = (models::of(&t.session.config.model).latent(), t.data.train.inner);
    if latent >= n {
        return;
    }
    if n > Pca::MAX_FEATURES {
        let most = Pca::MAX_FEATURES;
        note(format_args!("PCA is left out: its work grows as the cube of the {n} features, of which it takes {most}"));
        return;
    }
    let v = Pca::fit(&t.data.train, latent).squared_error(held_out(t, a));
    let line = format!("PCA with {latent} components: squared error {v:.2} {unit}");
    found.add([(&format!("pca-{latent} squared error"), json!(v))], line);
}

/// Active units, and what the KL term is made of.
fn posteriors(t: &mut Trained, a: &Args, found: &mut Findings) -> Result<()> {
    /// More examples make the square of the work.
    const EXAMPLES: usize = 10_000;
    let Some(q) = t.session.posteriors(&a.split)? else { return Ok(()) };
    let (latent, active) = (q.latent, active_units(&q.means, q.latent));
    let line =
        format!("{active} of {latent} units are active: the variance of their mean over the examples is above 0.01");
    found.add([("active units", json!(active))], line);
    let kept = (q.means.len() / latent).min(EXAMPLES);
    if kept < 2 {
        return Ok(());
    }
    let numbers = kept * latent;
    let s = Surgery::of(&q.means[..numbers], &q.log_vars[..numbers], latent, t.session.config.train.seed);
    let line = format!(
        "KL {:.2} nats = I(n; z) {:.2} ± {:.2} + KL(q(z) ‖ p(z)) {:.2} ± {:.2}: one z of each of {} examples, standard \
         errors; I is at most ln {} = {:.2}",
        s.kl,
        s.information,
        s.errors[0],
        s.marginal,
        s.errors[1],
        thousands(kept as u64),
        thousands(kept as u64),
        (kept as f64).ln()
    );
    let numbers = [
        ("surgery examples", json!(s.examples)),
        ("surgery kl", json!(s.kl)),
        ("surgery information", json!(s.information)),
        ("surgery information error", json!(s.errors[0])),
        ("surgery marginal kl", json!(s.marginal)),
        ("surgery marginal kl error", json!(s.errors[1])),
    ];
    found.add(numbers, line);
    Ok(())
}

/// −ln p(x), by importance sampling.
fn likelihood(t: &mut Trained, a: &Args, found: &mut Findings) -> Result<()> {
    let Some(k) = a.samples else { return Ok(()) };
    let n = t.session.examples(&a.split)?;
    let (of, each) = (thousands(n as u64), thousands(k as u64));
    let mut said = 0;
    let all = t.session.log_likelihood(&a.split, k, |done| {
        // A tenth at a time.
        if done * 10 / n > said {
            said = done * 10 / n;
            note(format_args!("{} of {of} examples, {each} samples each", thousands(done as u64)));
        }
    })?;
    let Some(all) = all else {
        return Err(Error::usage(
            "--samples asks for ln p(x), and this model has no p(x): variational autoencoders do",
        ));
    };
    let (mean, error) = mean_and_error(all.iter().copied());
    let line = format!(
        "NLL {:.2} nats by {each} importance samples of each of {of} examples (standard error {error:.2} over the examples)",
        -mean
    );
    found.add([("NLL", json!(-mean)), ("NLL error", json!(error)), ("NLL samples", json!(k))], line);
    Ok(())
}

/// How far the code moves with the input, and which of its units do not.
fn jacobian(t: &mut Trained, a: &Args, found: &mut Findings) -> Result<()> {
    let Some(norms) = t.session.jacobian_norms(&a.split)? else {
        note(format_args!("‖J‖ is left out: the code is wide, and its encoder more than dense layers"));
        return Ok(());
    };
    let n = norms.len() as f64;
    let mean = norms.iter().sum::<f64>() / n;
    let deviation = (norms.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let square = norms.iter().map(|v| v * v).sum::<f64>() / n;
    let line = format!(
        "‖J‖ of the encoder {mean:.4}, standard deviation {deviation:.4} over {} examples (mean ‖J‖² {square:.4})",
        thousands(norms.len() as u64)
    );
    found.add(
        [("jacobian norm", json!(mean)), ("jacobian norm deviation", json!(deviation)), ("jacobian", json!(square))],
        line,
    );
    if t.session.code_activation(&a.split)? == Some(Activation::Sigmoid) {
        let codes = t.session.codes(&a.split)?;
        let saturated = codes.iter().filter(|&&h| !(0.05..=0.95).contains(&h)).count();
        let part = 100.0 * saturated as f64 / codes.len() as f64;
        let line = format!("{part:.2} % of the code's units are saturated, below 0.05 or above 0.95, an example");
        found.add([("saturated %", json!(part))], line);
    }
    Ok(())
}

/// One linear classifier on the codes, and on the pixels.
fn probe(t: &mut Trained, a: &Args, found: &mut Findings) -> Result<()> {
    let classes = labels::classes(&t.data)?;
    let y = |s: &Split| -> Vec<u32> { s.labels.iter().map(|&l| u32::from(l)).collect() };
    let (known, truth) = (y(&t.data.train), y(held_out(t, a)));
    if truth.len() != held_out(t, a).len() || truth.iter().any(|&l| l as usize >= classes) {
        return Err(Error::usage(format!(
            "the {} images of `{}` have no labels, or other labels than the training images: a probe is judged by them",
            a.split, t.data.name
        )));
    }
    let pixels = |s: &Split| -> Vec<f32> { s.bytes().iter().map(|&b| f32::from(b) / 255.0).collect() };
    let mut of = |what: &str, x: Vec<f32>, unseen: Vec<f32>, features: usize| {
        let train = Labelled { x: &x, features, y: &known };
        let p = Probe::of(&train, &Labelled { x: &unseen, features, y: &truth }, classes);
        let line = format!(
            "logistic regression on {what}: error {:.2} %; λ {:e} an example, chosen by {} of the training examples, the \
             other {} learned from, {} judged",
            100.0 * p.error,
            p.penalty,
            thousands(p.validation as u64),
            thousands(p.train as u64),
            thousands(truth.len() as u64)
        );
        let (error, penalty) = (format!("probe error of {what}, %"), format!("probe penalty of {what}"));
        found.add([(&error, json!(100.0 * p.error)), (&penalty, json!(p.penalty))], line);
    };
    let latent = models::of(&t.session.config.model).latent();
    of("codes", t.session.codes("train")?, t.session.codes(&a.split)?, latent);
    let held_out = if a.split == "test" { &t.data.test } else { &t.data.validation };
    of("pixels", pixels(&t.data.train), pixels(held_out), t.data.train.inner);
    Ok(())
}

//! `elbo eval RUN`: what a run's model comes to on held-out examples.

use super::common::show;
use super::eval_sequences::{self, Features};
use super::findings::Findings;
use super::metrics;
use super::prior;
use super::trained::{Run, Trained};
use crate::checkpoint::write_whole_at;
use crate::config::Activation;
use crate::data::{Dataset, Images, Split, Stored, recall};
use crate::eval::disentanglement::{Grid, Protocol, score};
use crate::eval::{Labelled, Pca, Probe, Surgery, active_units, mean_and_error};
use crate::kernels::outlines;
use crate::report;
use crate::train::Evaluation;
use crate::train::ablation::ablations;
use crate::train::labels;
use crate::train::progress::thousands;
use crate::values::{Error, Result, note};
use serde_json::{Value, json};

/// Examples of the picture of ablations.
const SHOWN: usize = 10;

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
    /// Compare linear probes too: logistic regression on the codes, and on the pixels; --probe=codes leaves the pixels out
    #[arg(long, value_name = "OF", num_args = 0..=1, require_equals = true, default_missing_value = "both",
          value_parser = ["both", "codes", "pixels"])]
    probe: Option<String>,
    /// Measure ‖J‖ of the encoder too, J = ∂code/∂x
    #[arg(long)]
    jacobian: bool,
    /// Score too how far codes stand for the factors of sprites: MIG, SAP, DCI, FactorVAE, β-VAE, modularity
    #[arg(long)]
    disentanglement: bool,
    /// Measure the network as it was before training
    #[arg(long)]
    untrained: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// The widest code of which the whole grid of sprites is kept: 0.4 GB.
const WIDEST: usize = 128;
/// The most importance samples.
const MOST: usize = 1_000_000;

fn samples(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=MOST).contains(&n) => Ok(n),
        _ => Err(format!("write a number from 1 to {MOST}")),
    }
}

pub fn run(a: Args) -> Result<()> {
    let mut t = if a.untrained { a.run.open_untrained()? } else { a.run.open()? };
    refusals(&t, &a)?;
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
    let measured = e.means.values().next().is_some_and(|(name, _)| name == "squared error");
    if measured {
        pca(&t, &a, e.unit, &mut found);
    }
    if of_another_kind(&t).is_none() {
        posteriors(&mut t, &a, &mut found)?;
        likelihood(&mut t, &a, &mut found)?;
    }
    if a.jacobian {
        jacobian(&mut t, &a, &mut found)?;
    }
    if let Some(of) = &a.probe {
        probe(&mut t, &a, of, &mut found)?;
    }
    if a.disentanglement {
        disentanglement(&t, &a, &mut found)?;
    }
    if of_another_kind(&t).is_none() {
        ablation(&mut t, &a, &mut found)?;
        priors(&mut t, &a, &e, &mut found)?;
        if let Some(s) = eval_sequences::numbers(&mut t, &a.run.common, &a.split)? {
            found.numbers.extend(s.values.into_iter().map(|(name, v)| (name, json!(v))));
            found.lines.push(s.text.trim_end().into());
        }
    }
    if a.json {
        return show(&format!("{}\n", Value::Object(found.numbers)));
    }
    show(&format!("{} {}\n{}", a.split, e.sentence(), found.text()))
}

fn held_out<'t>(t: &'t Trained, a: &Args) -> &'t Split {
    if a.split == "test" { &t.data.test } else { &t.data.validation }
}

/// What is no autoencoder has its own measure, and no other.
fn of_another_kind(t: &Trained) -> Option<&'static str> {
    if t.session.config.classifier.wanted() {
        return Some("a classifier, measured by its error");
    }
    t.session.autoregressive().is_ok().then_some("a prior over codes, measured by their NLL")
}

/// What was asked for and cannot be, said before anything is measured.
fn refusals(t: &Trained, a: &Args) -> Result<()> {
    if let Some(what) =
        of_another_kind(t).filter(|_| a.samples.is_some() || a.probe.is_some() || a.jacobian || a.disentanglement)
    {
        return Err(Error::usage(format!(
            "{} is {what}: --samples, --probe, --jacobian and --disentanglement are for the run \
             that it was made from",
            a.run.run.display()
        )));
    }
    if a.probe.is_some() {
        let (classes, split) = (labels::classes(&t.data)?, held_out(t, a));
        if split.labels.len() != split.len() || split.labels.iter().any(|&l| usize::from(l) >= classes) {
            return Err(Error::usage(format!(
                "the {} images of `{}` have no labels, or other labels than the training images: a probe is judged by them",
                a.split, t.data.name
            )));
        }
    }
    if !a.disentanglement {
        return Ok(());
    }
    if !matches!(t.data.test.images, Images::Sprites(_)) {
        return Err(Error::usage(format!(
            "--disentanglement is of sprites, and `{}` has no factors that are known; `elbo metrics` scores codes and factors \
             of any origin",
            t.data.name
        )));
    }
    let latent = t.session.code_len();
    if latent > WIDEST || !t.session.levels().is_empty() {
        return Err(Error::usage(format!(
            "--disentanglement compares codes of up to {WIDEST} real numbers, and this model's has {latent}, or whole ones"
        )));
    }
    if latent < 2 {
        return Err(Error::usage("--disentanglement compares codes with each other, and this model has one alone"));
    }
    Ok(())
}

/// The linear model of the same width, beside a model that is measured by the same number; as wide as the picture, it loses
/// nothing.
fn pca(t: &Trained, a: &Args, unit: &str, found: &mut Findings) {
    let (latent, n) = (t.session.code_len(), t.data.train.inner);
    if latent >= n {
        return;
    }
    if n > Pca::MAX_FEATURES {
        let most = Pca::MAX_FEATURES;
        note(format_args!("PCA is left out: its work grows as the cube of the {n} features, of which it takes {most}"));
        return;
    }
    let v = Pca::fit(&t.data.train, latent).squared_error(held_out(t, a));
    let row = [format!("PCA with {latent} components"), format!("{v:.2}"), format!("squared error {unit}")];
    found.add([(&format!("pca-{latent} squared error"), json!(v))], row);
}

/// Active units, and what the KL term is made of.
fn posteriors(t: &mut Trained, a: &Args, found: &mut Findings) -> Result<()> {
    /// More examples make the square of the work.
    const EXAMPLES: usize = 10_000;
    let Some(q) = t.session.posteriors(&a.split)? else { return Ok(()) };
    let (latent, active) = (q.latent, active_units(&q.means, q.latent));
    let of =
        format!("whose mean has a variance above 0.01 over {} examples", thousands((q.means.len() / latent) as u64));
    found.add([("active units", json!(active))], ["active units".into(), format!("{active} of {latent}"), of]);
    let kept = (q.means.len() / latent).min(EXAMPLES);
    if kept < 2 {
        return Ok(());
    }
    let numbers = kept * latent;
    let s = Surgery::of(&q.means[..numbers], &q.log_vars[..numbers], latent, t.session.config.train.seed);
    let (of, most) = (thousands(kept as u64), (kept as f64).ln());
    let pair = |mean: f64, error: f64| format!("{mean:.2} ± {error:.2}");
    found.add(
        [
            ("surgery examples", json!(s.examples)),
            ("surgery kl", json!(s.kl)),
            ("surgery information", json!(s.information)),
            ("surgery information error", json!(s.errors[0])),
        ],
        [
            "I(n; z)".into(),
            pair(s.information, s.errors[0]),
            format!("nats: which of {of} examples a code is of, at most ln {of} = {most:.2}; one z each"),
        ],
    );
    found.add(
        [("surgery marginal kl", json!(s.marginal)), ("surgery marginal kl error", json!(s.errors[1]))],
        [
            "KL(q(z) ‖ p(z))".into(),
            pair(s.marginal, s.errors[1]),
            format!("nats: the rest of the KL, which is {:.2} of these examples", s.kl),
        ],
    );
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
    let row = [
        "−ln p(x)".into(),
        format!("{:.2} ± {error:.2}", -mean),
        format!("nats by {each} importance samples of each of {of} examples, whose standard error it is"),
    ];
    found.add([("NLL", json!(-mean)), ("NLL error", json!(error)), ("NLL samples", json!(k))], row);
    Ok(())
}

/// How far the code moves with the input, and which of its units do not.
fn jacobian(t: &mut Trained, a: &Args, found: &mut Findings) -> Result<()> {
    let Some(norms) = t.session.jacobian_norms(&a.split)? else {
        note(format_args!("‖J‖ is left out: the code is discrete, or wide and its encoder more than dense layers"));
        return Ok(());
    };
    let n = norms.len() as f64;
    let mean = norms.iter().sum::<f64>() / n;
    let deviation = (norms.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let square = norms.iter().map(|v| v * v).sum::<f64>() / n;
    let of = thousands(norms.len() as u64);
    let row = [
        "‖J‖ of the encoder".into(),
        format!("{mean:.4}"),
        format!("standard deviation {deviation:.4} over {of} examples, mean square {square:.4}"),
    ];
    found.add(
        [("jacobian norm", json!(mean)), ("jacobian norm deviation", json!(deviation)), ("jacobian", json!(square))],
        row,
    );
    if t.session.code_activation(&a.split)? == Some(Activation::Sigmoid) {
        let codes = t.session.codes(&a.split)?;
        let saturated = codes.iter().filter(|&&h| !(0.05..=0.95).contains(&h)).count();
        let part = 100.0 * saturated as f64 / codes.len() as f64;
        let row = ["saturated units".into(), format!("{part:.2} %"), "of the code, below 0.05 or above 0.95".into()];
        found.add([("saturated %", json!(part))], row);
    }
    Ok(())
}

/// One linear classifier on the codes, on the pixels, or one on each.
fn probe(t: &mut Trained, a: &Args, which: &str, found: &mut Findings) -> Result<()> {
    let classes = labels::classes(&t.data)?;
    let y = |s: &Split| -> Vec<u32> { s.labels.iter().map(|&l| u32::from(l)).collect() };
    let (known, truth) = (y(&t.data.train), y(held_out(t, a)));
    let mut of = |f: &Features| {
        let (what, features) = (f.what, f.width);
        let train = Labelled { x: &f.train, features, y: &known };
        let p = Probe::of(&train, &Labelled { x: &f.held_out, features, y: &truth }, classes);
        let row = [
            format!("probe of {what}"),
            format!("{:.2} %", 100.0 * p.error),
            format!(
                "wrong: logistic regression of {} training examples, judged by {}; λ = {:e} an example, chosen by {} others",
                thousands(p.train as u64),
                thousands(truth.len() as u64),
                p.penalty,
                thousands(p.validation as u64)
            ),
        ];
        let (error, penalty) = (format!("probe error of {what}, %"), format!("probe penalty of {what}"));
        found.add([(&error, json!(100.0 * p.error)), (&penalty, json!(p.penalty))], row);
    };
    // Of that set it is asked what the belief keeps, before the end of the sequence says it.
    if t.session.config.data.name == recall::NAME {
        eval_sequences::beliefs(t, &a.run.common, &a.split)?.iter().for_each(of);
        return Ok(());
    }
    if which != "pixels" {
        let (train, held_out) = (t.session.codes("train")?, t.session.codes(&a.split)?);
        of(&Features { what: "codes", width: t.session.code_len(), train, held_out });
    }
    // Of sequences of reals the bytes are no levels.
    if which != "codes" && t.data.sequence.is_none_or(|s| s.stored != Stored::Reals) {
        let pixels = |s: &Split| -> Vec<f32> { s.bytes().iter().map(|&b| f32::from(b) / 255.0).collect() };
        let held_out = pixels(self::held_out(t, a));
        of(&Features { what: "pixels", width: t.data.train.inner, train: pixels(&t.data.train), held_out });
    }
    Ok(())
}

/// Scores of the codes of the whole grid of sprites, whose factors are known: every picture is encoded once, and the scores
/// draw from it factors that are uniform and independent.
fn disentanglement(t: &Trained, a: &Args, found: &mut Findings) -> Result<()> {
    let latent = t.session.code_len();
    let grid = Split::sprites((0..outlines::COUNT as u32).collect());
    let mut whole = a.run.encoder_of(Dataset { test: grid, ..t.data.clone() }, a.untrained)?;
    note(format_args!("encoding the {} pictures of the grid …", thousands(outlines::COUNT as u64)));
    // The first factor, the colour, has one value.
    let grid = Grid::new(&outlines::FACTORS[1..], whole.codes("test")?, latent);
    let protocol = Protocol::default();
    let scores = score(&grid, &protocol, |what| note(format_args!("computing {what} …")));
    metrics::add(found, &scores, &protocol, latent);
    Ok(())
}

/// What the codes cost by the priors over them, and with that the image: −ln p(x) ≤ −ln p(x | c) − ln p(c).
fn priors(t: &mut Trained, a: &Args, e: &Evaluation, found: &mut Findings) -> Result<()> {
    // Other data would need other codes.
    let others = a.run.data.is_some() || a.run.set.iter().any(|s| s.trim_start().starts_with("data."));
    if others || a.untrained || !prior::exists(&a.run, t) {
        return Ok(());
    }
    // The run's own numbers need none of them.
    let opened = match prior::open(&a.run, t) {
        Ok(opened) => opened,
        Err(e) => {
            note(format_args!("the priors are left out: {e}"));
            return Ok(());
        }
    };
    let mut codes = 0.0;
    for (level, mut session) in t.session.levels().iter().zip(opened) {
        let p = session.evaluate(&a.split)?;
        let [nats, bits, unigram] = ["-ln p(codes)", "bits a code", "unigram"].map(|n| p.means.value(n));
        codes += nats;
        let name = if level.name.is_empty() { "prior".to_string() } else { format!("prior {}", level.name) };
        found.add(
            [
                (&format!("{name}, nats"), json!(nats)),
                (&format!("{name}, bits a code"), json!(bits)),
                (&format!("{name}, unigram bits"), json!(unigram)),
            ],
            [
                name.clone(),
                format!("{nats:.2}"),
                format!("nats an image: {bits:.3} bits a code, {unigram:.3} by how often each is used alone"),
            ],
        );
    }
    let features = t.data.train.inner as f64;
    let (pixels, of) = match t.session.gaussian_pixels() {
        false => (e.means.value("recon"), String::new()),
        // Of a density, with the variance that fits these examples best, over levels 1/255 apart: of the run's own, which is
        // fixed, it would be the floor of that variance.
        true => {
            let variance = e.means.value("MSE");
            let nats = features / 2.0 * ((2.0 * std::f64::consts::PI * variance).ln() + 1.0) + features * 255f64.ln();
            (nats, format!(", of a density of variance {variance:.5}, that of the errors, over levels 1/255 apart"))
        }
    };
    let bits = (pixels + codes) / features / std::f64::consts::LN_2;
    let row =
        ["bits/dim".into(), format!("{bits:.3}"), format!("of the image, its codes included: at least −log₂ p(x){of}")];
    found.add([("bits/dim", json!(bits))], row);
    Ok(())
}

/// What each level of a discrete code carries: the error with its code replaced by the mean, a line and a number each, and
/// a picture.
fn ablation(t: &mut Trained, a: &Args, found: &mut Findings) -> Result<()> {
    let Some((shown, ablated)) = ablations(&mut t.session, &a.split, SHOWN)? else { return Ok(()) };
    if ablated.is_empty() {
        return Ok(());
    }
    // Examples, then each ablation of them, a row each.
    let rows: Vec<f32> = [&shown].into_iter().chain(ablated.iter().map(|x| &x.pictures)).flatten().copied().collect();
    let (features, picture) = (t.data.train.inner, a.run.place(&None, "ablation.png"));
    let dir = picture.with_file_name("");
    std::fs::create_dir_all(&dir).map_err(|e| Error::io("cannot make the folder", &dir, &e))?;
    write_whole_at(&picture, &report::sheet(&rows, t.data.shape, shown.len() / features)?.png()?)?;
    found.lines.push(format!("\n{:<28}{:>14}{:>12}", "replaced by its mean", "squared error", "MSE"));
    for x in &ablated {
        let level = if x.level.is_empty() { "nothing" } else { x.level };
        let line = format!("{level:<28}{:>14.2}{:>12.5}", x.squared_error, x.squared_error / features as f64);
        found.lines.push(line);
        if !x.level.is_empty() {
            found.numbers.insert(format!("{} replaced: squared error", x.level), json!(x.squared_error));
        }
    }
    found.lines.push(format!("{}: examples, then a row for each line above", picture.display()));
    Ok(())
}

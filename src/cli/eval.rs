//! `elbo eval RUN`.

use super::common::show;
use super::eval_sequences;
use super::trained::Run;
use crate::eval::Pca;
use crate::models;
use crate::values::{Result, note};
use serde_json::{Map, Value, json};

/// Arguments of `elbo eval`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: Run,
    /// The split: test or validation
    #[arg(long, default_value = "test", value_parser = ["test", "validation"])]
    split: String,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(a: Args) -> Result<()> {
    let mut t = a.run.open()?;
    let e = t.session.evaluate(&a.split)?;
    let latent = models::of(&t.session.config.model).latent();
    // The linear model of the same width, beside a model that is measured by the same number; as wide as the picture, it
    // loses nothing.
    let measured = e.means.values().next().is_some_and(|(name, _)| name == "squared error");
    let linear = measured && latent < t.data.train.inner;
    let small = t.data.train.inner <= Pca::MAX_FEATURES;
    if linear && !small {
        let (n, most) = (t.data.train.inner, Pca::MAX_FEATURES);
        note(format_args!("PCA is left out: its work grows as the cube of the {n} features, of which it takes {most}"));
    }
    let pca = (linear && small).then(|| {
        let held_out = if a.split == "test" { &t.data.test } else { &t.data.validation };
        Pca::fit(&t.data.train, latent).squared_error(held_out)
    });
    let sequences = eval_sequences::numbers(&mut t, &a.run.common, &a.split)?;
    if a.json {
        let mut object = Map::new();
        object.insert("run".into(), json!(a.run.run));
        object.insert("step".into(), json!(t.step));
        object.insert("split".into(), json!(a.split));
        object.insert("examples".into(), json!(t.session.examples(&a.split)?));
        object.extend(e.means.values().map(|(n, v)| (n.to_string(), json!(v))));
        object.extend(pca.map(|v| (format!("pca-{latent} squared error"), json!(v))));
        object.extend(sequences.iter().flat_map(|s| &s.values).map(|(n, v)| (n.clone(), json!(v))));
        return show(&format!("{}\n", Value::Object(object)));
    }
    let pca = pca.map(|v| format!("PCA with {latent} components: squared error {v:.2} {}\n", e.unit));
    let sequences = sequences.map(|s| s.text).unwrap_or_default();
    show(&format!("{} {}\n{}{sequences}", a.split, e.sentence(), pca.unwrap_or_default()))
}

//! `elbo eval RUN`.

use super::common::show;
use super::trained::Run;
use crate::checkpoint::write_whole_at;
use crate::eval::Pca;
use crate::report;
use crate::train::ablation::{Ablation, ablations};
use crate::values::{Result, note};
use serde_json::{Map, Value, json};
use std::path::Path;

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
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(a: Args) -> Result<()> {
    let mut t = a.run.open()?;
    let e = t.session.evaluate(&a.split)?;
    let latent = t.session.code_len();
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
    let ablations = ablations(&mut t.session, &a.split, SHOWN)?;
    let (shown, ablated) = ablations.unwrap_or_default();
    let picture = a.run.place(&None, "ablation.png");
    if !ablated.is_empty() {
        // Examples, then each ablation of them, a row each.
        let rows: Vec<f32> =
            [&shown].into_iter().chain(ablated.iter().map(|x| &x.pictures)).flatten().copied().collect();
        write_whole_at(&picture, &report::sheet(&rows, t.data.shape, shown.len() / t.data.train.inner)?.png()?)?;
    }
    if a.json {
        let mut object = Map::new();
        object.insert("run".into(), json!(a.run.run));
        object.insert("step".into(), json!(t.step));
        object.insert("split".into(), json!(a.split));
        object.insert("examples".into(), json!(t.session.examples(&a.split)?));
        object.extend(e.means.values().map(|(n, v)| (n.to_string(), json!(v))));
        object.extend(pca.map(|v| (format!("pca-{latent} squared error"), json!(v))));
        let of = |x: &Ablation| (format!("{} replaced: squared error", x.level), json!(x.squared_error));
        object.extend(ablated.iter().filter(|x| !x.level.is_empty()).map(of));
        return show(&format!("{}\n", Value::Object(object)));
    }
    let pca = pca.map(|v| format!("PCA with {latent} components: squared error {v:.2} {}\n", e.unit));
    let table = if ablated.is_empty() { String::new() } else { table(&ablated, t.data.train.inner, &picture) };
    show(&format!("{} {}\n{}{table}", a.split, e.sentence(), pca.unwrap_or_default()))
}

/// What each level carries, a line each, and where the picture is.
fn table(ablated: &[Ablation], features: usize, picture: &Path) -> String {
    let mut text = format!("\n{:<28}{:>14}{:>12}\n", "replaced by its mean", "squared error", "MSE");
    for x in ablated {
        let level = if x.level.is_empty() { "nothing" } else { x.level };
        text += &format!("{level:<28}{:>14.2}{:>12.5}\n", x.squared_error, x.squared_error / features as f64);
    }
    text + &format!("{}: examples, then a row for each line above\n", picture.display())
}

//! `elbo sample RUN`, `elbo reconstruct RUN`, `elbo interpolate RUN`: pictures from a run.

use super::trained::{Run, wrote};
use crate::checkpoint::write_whole_at;
use crate::report;
use crate::values::{Error, Result};
use std::path::{Path, PathBuf};

/// Arguments of `elbo sample`.
#[derive(clap::Args)]
pub struct Sample {
    #[command(flatten)]
    run: Run,
    /// How many pictures
    #[arg(short, long, default_value = "100", value_name = "N", value_parser = count)]
    n: usize,
    /// The picture [default: RUN/samples/sample.png]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn sample(a: Sample) -> Result<()> {
    let path = a.run.place(&a.out, "sample.png");
    png(&path)?;
    let mut t = a.run.open()?;
    let Some(pictures) = t.session.sample(a.n)? else {
        return Err(Error::usage(
            "this model has no prior to sample from; `elbo reconstruct` and `elbo interpolate` do",
        ));
    };
    report::grid(&pictures, t.data.shape, 10, &path)?;
    wrote(&path)
}

/// Arguments of `elbo reconstruct`.
#[derive(clap::Args)]
pub struct Reconstruct {
    #[command(flatten)]
    run: Run,
    /// How many examples of the test set
    #[arg(short, long, default_value = "50", value_name = "N", value_parser = count)]
    n: usize,
    /// The picture: rows of examples, each above its reconstructions; or the numbers, .npy: \[2, N, features\], first
    /// the examples [default: RUN/samples/reconstruct.png]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn reconstruct(a: Reconstruct) -> Result<()> {
    let path = a.run.place(&a.out, "reconstruct.png");
    let numbers = path.extension().is_some_and(|e| e == "npy");
    if !numbers {
        png(&path)?;
    }
    let mut t = a.run.open()?;
    let d = t.session.reconstruct("test", 0, a.n)?;
    if numbers {
        let features = t.data.test.inner;
        let both = [d.inputs, d.pictures].concat();
        let bytes = report::npy(&both, &[2, both.len() / features / 2, features], &path)?;
        write_whole_at(&path, &bytes)?;
    } else {
        report::pairs(&d.inputs, &d.pictures, t.data.shape, 10, &path)?;
    }
    wrote(&path)
}

/// Arguments of `elbo interpolate`.
#[derive(clap::Args)]
pub struct Interpolate {
    #[command(flatten)]
    run: Run,
    /// Pairs of neighbours in the test set, one a row
    #[arg(short, long, default_value = "10", value_name = "N", value_parser = count)]
    n: usize,
    /// Pictures a row, both ends included
    #[arg(long, default_value = "10", value_name = "N", value_parser = count)]
    columns: usize,
    /// The picture [default: RUN/samples/interpolate.png]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn interpolate(a: Interpolate) -> Result<()> {
    if a.columns < 2 {
        return Err(Error::usage("--columns must be at least 2: the two ends"));
    }
    if a.n.saturating_mul(a.columns) > MOST {
        return Err(Error::usage(format!("{} rows of {} are more than {MOST} pictures", a.n, a.columns)));
    }
    let path = a.run.place(&a.out, "interpolate.png");
    png(&path)?;
    let mut t = a.run.open()?;
    let d = t.session.reconstruct("test", 0, 2 * a.n)?;
    let latent = crate::models::of(&t.session.config.model).latent();
    let mut codes = Vec::new();
    for pair in d.codes.chunks_exact(2 * latent) {
        let (from, to) = pair.split_at(latent);
        for i in 0..a.columns {
            let s = i as f32 / (a.columns - 1) as f32;
            codes.extend(from.iter().zip(to).map(|(f, t)| (1.0 - s) * f + s * t));
        }
    }
    if codes.is_empty() {
        return Err(Error::usage("the test set holds fewer than two examples: there is no pair"));
    }
    let pictures = t.session.decode(&codes)?;
    report::grid(&pictures, t.data.shape, a.columns, &path)?;
    wrote(&path)
}

/// The most pictures of one command.
const MOST: usize = 100_000;

fn count(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=MOST).contains(&n) => Ok(n),
        _ => Err(format!("write a number from 1 to {MOST}")),
    }
}

/// Refuses a picture's name that says another format.
fn png(path: &Path) -> Result<()> {
    let special = std::fs::metadata(path).is_ok_and(|m| !m.is_file());
    if special || path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        return Ok(());
    }
    Err(Error::usage(format!("{} does not end in .png, and pictures are PNG", path.display())))
}

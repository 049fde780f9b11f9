//! `elbo sample RUN`, `elbo reconstruct RUN`, `elbo interpolate RUN`, `elbo traverse RUN`: pictures from a run.

use super::prior;
use super::trained::{Run, wrote};
use crate::checkpoint::write_whole_at;
use crate::report::{self, Codes};
use crate::train::pictures;
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
    /// Of a VQ-VAE: below 1, likely codes are preferred; 1 is the prior as it was learned [default: 1]
    #[arg(long, value_name = "T", value_parser = temperature)]
    temperature: Option<f64>,
    /// The picture [default: RUN/samples/sample.png]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn sample(a: Sample) -> Result<()> {
    let path = a.run.place(&a.out, "sample.png");
    png(&path)?;
    let mut t = a.run.open()?;
    if t.session.sequential().is_ok() {
        return Err(Error::usage(
            "a model of sequences draws what follows the frames that it is given: `elbo rollout` does, and `elbo reconstruct` \
             shows the last frame",
        ));
    }
    let discrete = !t.session.levels().is_empty();
    if a.temperature.is_some() && !discrete {
        return Err(Error::usage("--temperature is of codes that are drawn one after the other, those of a VQ-VAE"));
    }
    let pictures = match discrete {
        true => prior::sample(&a.run, &mut t, a.n, a.temperature.unwrap_or(1.0))?,
        false => t.session.sample(a.n)?.ok_or_else(|| {
            Error::usage("this model has no prior to sample from; `elbo reconstruct` and `elbo interpolate` do")
        })?,
    };
    write_whole_at(&path, &report::sheet(&pictures, t.data.shape, 10)?.png()?)?;
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
    /// The picture: rows of examples, each above its reconstructions; or the numbers, .npy: (2, N, features), first
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
        let features = t.data.shape.iter().product::<usize>();
        let both = [d.inputs, d.pictures].concat();
        let bytes = report::npy(&both, &[2, both.len() / features / 2, features], &path)?;
        write_whole_at(&path, &bytes)?;
    } else {
        write_whole_at(&path, &report::pairs(&d.inputs, &d.pictures, t.data.shape, 10)?.png()?)?;
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
    let Some(pictures) = pictures::interpolation(&mut t.session, a.n, a.columns)? else {
        return Err(Error::usage("the test set holds fewer than two examples: there is no pair"));
    };
    write_whole_at(&path, &report::sheet(&pictures, t.data.shape, a.columns)?.png()?)?;
    wrote(&path)
}

/// Arguments of `elbo traverse`.
#[derive(clap::Args)]
pub struct Traverse {
    #[command(flatten)]
    run: Run,
    /// The dimensions of the code, from 1, as in 3,1,7 [default: the ten that are spread most over the test set]
    #[arg(long, value_name = "K,...", value_delimiter = ',')]
    dims: Vec<usize>,
    /// The example of the test set whose code is changed, from 0
    #[arg(long, default_value = "0", value_name = "I")]
    example: usize,
    /// Pictures a row
    #[arg(long, default_value = "11", value_name = "N", value_parser = count)]
    columns: usize,
    /// The picture, .png: a dimension a row, from −3 to 3 standard deviations; or .gif: a dimension a column, an example a
    /// row, which moves [default: RUN/samples/traverse.png]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn traverse(a: Traverse) -> Result<()> {
    if a.columns < 2 {
        return Err(Error::usage("--columns must be at least 2: the two ends"));
    }
    let path = a.run.place(&a.out, "traverse.png");
    let moves = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gif"));
    if !moves {
        png(&path)?;
    }
    let mut t = a.run.open()?;
    if !t.session.levels().is_empty() {
        return Err(Error::usage("a discrete code is a map of entries: no dimension of it is an axis to go along"));
    }
    let (latent, n) = (t.session.code_len(), t.session.examples("test")?);
    if a.example >= n {
        return Err(Error::usage(format!("--example {} is not in the test set: it has {n}, from 0", a.example)));
    }
    if let Some(d) = a.dims.iter().find(|d| !(1..=latent).contains(*d)) {
        return Err(Error::usage(format!("--dims {d}: the code has {latent} dimensions, from 1")));
    }
    let codes = t.session.encode("test", 0, pictures::POINTS.max(a.example + pictures::EXAMPLES))?;
    let codes = Codes::new(&codes, latent);
    let dims: Vec<usize> = match a.dims[..] {
        [] => codes.by_spread().into_iter().take(pictures::DIMENSIONS).collect(),
        _ => a.dims.iter().map(|d| d - 1).collect(),
    };
    if dims.len().saturating_mul(a.columns) > MOST {
        return Err(Error::usage(format!("{} rows of {} are more than {MOST} pictures", dims.len(), a.columns)));
    }
    let prior = t.session.has_prior();
    let bytes = if moves {
        pictures::moving(&mut t.session, t.data.shape, &codes, a.example, &dims, prior)?
    } else {
        let pictures = pictures::traversals(&mut t.session, &codes, a.example, &dims, a.columns, prior)?;
        report::sheet(&pictures, t.data.shape, a.columns)?.png()?
    };
    write_whole_at(&path, &bytes)?;
    wrote(&path)
}

/// Arguments of `elbo report`.
#[derive(clap::Args)]
pub struct Report {
    #[command(flatten)]
    run: Run,
}

/// Writes a run's pictures and its report.html anew, from its newest checkpoint.
pub fn report(a: Report) -> Result<()> {
    if a.run.data.is_some() {
        return Err(Error::usage("a report is of the run and its own data: `elbo eval` takes --data"));
    }
    let mut t = a.run.open()?;
    let test = t.session.evaluate("test")?;
    let verdict = t.session.verdict(&test)?;
    let at = pictures::Standing { step: t.step, test: &test, verdict: verdict.as_deref() };
    pictures::draw(&mut t.session, t.data.shape, &a.run.run, &at)?;
    wrote(&a.run.run.join("report.html"))
}

/// The most pictures of one command.
const MOST: usize = 100_000;

pub(super) fn count(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=MOST).contains(&n) => Ok(n),
        _ => Err(format!("write a number from 1 to {MOST}")),
    }
}

fn temperature(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        // At f32 the logits are divided by it.
        Ok(t) if (1e-6..=1e6).contains(&t) => Ok(t),
        _ => Err("write a number from 1e-6 to 1e6".into()),
    }
}

/// Refuses a picture's name that says another format.
pub(super) fn png(path: &Path) -> Result<()> {
    let special = std::fs::metadata(path).is_ok_and(|m| !m.is_file());
    if special || path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        return Ok(());
    }
    Err(Error::usage(format!("{} does not end in .png, and pictures are PNG", path.display())))
}

//! `elbo decode RUN CODES`: the pictures of discrete codes.

use super::pictures::png;
use super::trained::{Run, wrote};
use crate::checkpoint::write_whole_at;
use crate::models::Level;
use crate::report::{self, npy};
use crate::values::{Error, Result};
use std::path::PathBuf;

/// Arguments of `elbo decode`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: Run,
    /// The codes, .npy: whole numbers, one row an example, as `elbo encode` writes them
    codes: PathBuf,
    /// The picture; or the numbers, .npy: (N, features) [default: RUN/samples/decode.png]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(a: Args) -> Result<()> {
    let path = a.run.place(&a.out, "decode.png");
    let numbers = path.extension().is_some_and(|e| e == "npy");
    if !numbers {
        png(&path)?;
    }
    let (codes, n) = report::whole_numbers(&a.codes)?;
    let mut t = a.run.open()?;
    t.session.not_a_prior()?;
    if t.session.levels().is_empty() {
        return Err(Error::usage("the codes of this model are real numbers; `elbo interpolate` decodes such"));
    }
    let width = codes.len() / n.max(1);
    let own: usize = t.session.levels().iter().map(Level::codes).sum();
    if n > 0 && width != own {
        let file = a.codes.display();
        return Err(Error::usage(format!(
            "{file} has {width} codes in each of its {n} rows, and this model has {own} an example: they are another run's"
        )));
    }
    let batch = t.session.config.train.batch;
    let mut pictures = Vec::new();
    for some in codes.chunks((width * batch).max(1)) {
        pictures.extend(t.session.decode_indices(some)?);
    }
    if pictures.is_empty() {
        return Err(Error::usage(format!("{} holds no codes", a.codes.display())));
    }
    if numbers {
        let features = t.data.test.inner;
        write_whole_at(&path, &npy(&pictures, &[pictures.len() / features, features], &path)?)?;
    } else {
        write_whole_at(&path, &report::sheet(&pictures, t.data.shape, 10)?.png()?)?;
    }
    wrote(&path)
}

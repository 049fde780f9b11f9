//! `elbo encode RUN`: the codes of a split, as .npy or .csv.

use super::trained::{Run, wrote};
use crate::checkpoint::write_whole_at;
use crate::report::npy;
use crate::values::{Error, Result};
use std::path::PathBuf;

/// Arguments of `elbo encode`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: Run,
    /// The split: test or validation
    #[arg(long, default_value = "test", value_parser = ["test", "validation"])]
    split: String,
    /// The file, .npy or .csv: one row an example, in the order of the split [default: RUN/codes.npy]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(a: Args) -> Result<()> {
    let path = a.out.clone().unwrap_or_else(|| a.run.run.join("codes.npy"));
    let csv = match path.extension().and_then(|e| e.to_str()) {
        Some("csv") => true,
        Some("npy") => false,
        _ => return Err(Error::usage(format!("{} ends in neither .npy nor .csv", path.display()))),
    };
    let mut t = a.run.open_encoder()?;
    let n = t.session.examples(&a.split)?;
    let latent = crate::models::of(&t.session.config.model).latent();
    let codes = t.session.codes(&a.split)?;
    let bytes = if csv { csv_bytes(&codes, latent) } else { npy(&codes, &[n, latent], &path)? };
    write_whole_at(&path, &bytes)?;
    wrote(&path)
}

/// A head line `z0,z1,…`, then a line an example.
fn csv_bytes(codes: &[f32], latent: usize) -> Vec<u8> {
    let head: Vec<String> = (0..latent).map(|i| format!("z{i}")).collect();
    let line = |row: &[f32]| row.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
    let mut text = head.join(",") + "\n";
    codes.chunks(latent).for_each(|row| text += &(line(row) + "\n"));
    text.into_bytes()
}

//! `elbo encode RUN`: the codes of a split, as .npy or .csv, and of discrete ones the codebooks.

use super::trained::{Run, Trained, wrote};
use crate::checkpoint::write_whole_at;
use crate::models::Level;
use crate::report::npy;
use crate::values::{Error, Result};
use std::path::{Path, PathBuf};

/// Arguments of `elbo encode`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: Run,
    /// The split: test or validation
    #[arg(long, default_value = "test", value_parser = ["test", "validation"])]
    split: String,
    /// The file, .npy or .csv: one row an example, in the order of the split; whole numbers where the code is discrete
    /// [default: RUN/codes.npy]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The entries of a discrete code's book, .npy: (books, entries, dimensions); with two levels, FILE-top and FILE-bottom
    #[arg(long, value_name = "FILE")]
    codebook: Option<PathBuf>,
}

pub fn run(a: Args) -> Result<()> {
    let path = a.out.clone().unwrap_or_else(|| a.run.run.join("codes.npy"));
    let csv = match path.extension().and_then(|e| e.to_str()) {
        Some("csv") => true,
        Some("npy") => false,
        _ => return Err(Error::usage(format!("{} ends in neither .npy nor .csv", path.display()))),
    };
    if let Some(book) = a.codebook.as_ref().filter(|book| book.extension().is_none_or(|e| e != "npy")) {
        return Err(Error::usage(format!("{} does not end in .npy", book.display())));
    }
    let mut t = a.run.open_encoder()?;
    let (levels, n) = (t.session.levels(), t.session.examples(&a.split)?);
    if levels.is_empty() && a.codebook.is_some() {
        return Err(Error::usage("the codes of this model are real numbers: there is no codebook to write"));
    }
    let bytes = if levels.is_empty() {
        let (codes, width) = (t.session.codes(&a.split)?, t.session.code_len());
        if csv { csv_bytes(&codes, width) } else { npy(&codes, &[n, width], &path)? }
    } else {
        let width = levels.iter().map(Level::codes).sum();
        let codes = t.session.all_indices(&a.split)?;
        if csv { csv_bytes(&codes, width) } else { npy(&codes, &[n, width], &path)? }
    };
    write_whole_at(&path, &bytes)?;
    wrote(&path)?;
    a.codebook.map_or(Ok(()), |book| codebooks(&mut t, &levels, &book))
}

/// Writes the codebook of each level.
fn codebooks(t: &mut Trained, levels: &[Level], path: &Path) -> Result<()> {
    for level in levels {
        let mut path = path.to_path_buf();
        if !level.name.is_empty() {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            path.set_file_name(format!("{stem}-{}.npy", level.name));
        }
        let entries = t.session.codebook(level)?;
        let shape = [level.books, level.entries, level.dimensions / level.books];
        write_whole_at(&path, &npy(&entries, &shape, &path)?)?;
        wrote(&path)?;
    }
    Ok(())
}

/// A head line `z0,z1,…`, then a line an example.
fn csv_bytes<T: ToString>(codes: &[T], latent: usize) -> Vec<u8> {
    let head: Vec<String> = (0..latent).map(|i| format!("z{i}")).collect();
    let line = |row: &[T]| row.iter().map(T::to_string).collect::<Vec<_>>().join(",");
    let mut text = head.join(",") + "\n";
    codes.chunks(latent).for_each(|row| text += &(line(row) + "\n"));
    text.into_bytes()
}

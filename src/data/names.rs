//! The data sets that go by a name. A new one is a row of [`TABLE`].

use std::path::Path;

use super::dataset::{Dataset, Options, Sequence, Stored};
use super::{assets, emoji, folder, oscillator, photographs};
use crate::values::{Error, Result};

/// A name and what loads it.
type Row = (&'static str, fn(&str, &Options) -> Result<Dataset>);

const TABLE: &[Row] = &[
    ("mnist", shipped_idx),
    ("emoji", emoji::load),
    ("photographs", photographs::load),
    ("moving-mnist", moving),
    ("oscillator", oscillating),
];

/// The names that [`load`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.0)
}

/// The data set that `source` names: one of [`names`], or else a folder of IDX files (so a folder called `mnist` is
/// `./mnist`). A folder without test images gives up a fixed tenth of its training images.
pub fn load(source: &str, o: &Options) -> Result<Dataset> {
    if let Some((name, load)) = TABLE.iter().find(|row| row.0 == source) {
        return load(name, o);
    }
    let path = Path::new(source);
    if path.is_dir() {
        let full = path.canonicalize().map_err(|e| Error::io("cannot open", path, &e))?;
        let name = full.file_name().map_or_else(|| source.into(), |n| n.to_string_lossy().into_owned());
        return folder::load(path, name, o);
    }
    if path.exists() {
        return Err(Error::usage(format!("`{source}` is a file: give the folder that holds the IDX files")));
    }
    let nearest = names().map(|n| (strsim::jaro_winkler(n, source), n)).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint =
        nearest.filter(|(score, _)| *score >= 0.75).map_or(String::new(), |(_, n)| format!("; did you mean `{n}`?"));
    Err(Error::usage(format!(
        "no data set or folder named `{source}`{hint} (data sets: {})",
        names().collect::<Vec<_>>().join(", ")
    )))
}

/// A shipped folder of the four gzipped IDX files.
fn shipped_idx(name: &str, o: &Options) -> Result<Dataset> {
    const FILES: [&str; 4] = [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ];
    folder::load(&assets::folder(name, &FILES)?, name.into(), o)
}

/// Frames of a sequence of moving digits.
const MOVING_FRAMES: usize = 20;

/// MNIST's digits as sequences: each moves by a pixel a frame, to the left or to the right.
fn moving(name: &str, o: &Options) -> Result<Dataset> {
    let still = shipped_idx("mnist", o)?;
    let sequence = Some(Sequence { frames: MOVING_FRAMES, stored: Stored::Moving { width: still.shape[1] } });
    Ok(Dataset { name: name.into(), sequence, ..still })
}

/// The noisy harmonic oscillator.
fn oscillating(name: &str, o: &Options) -> Result<Dataset> {
    let (train, test) = (oscillator::split(oscillator::TRAIN, "train"), oscillator::split(oscillator::TEST, "test"));
    let sequence = Some(Sequence { frames: oscillator::FRAMES, stored: Stored::Reals });
    Ok(Dataset { sequence, ..Dataset::divide(name.into(), [1, 1, 1], train, Some(test), o)? })
}

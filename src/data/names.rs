//! The data sets that go by a name, and what else is one: a folder, or a file. A new name is a row of [`TABLE`].

use std::path::Path;

use super::dataset::{Dataset, Options, Sequence, Stored};
use super::{
    assets, cifar, csv, dictionary, emoji, folder, images, npy, npz, oscillator, photographs, recall, rectangles,
    sprites,
};
use crate::values::{Error, Result};

/// A name, what loads it, the shape of its images, and the frames of a sequence of them, where it is one.
type Row = (&'static str, fn(&str, &Options) -> Result<Dataset>, [usize; 3], Option<usize>);

const TABLE: &[Row] = &[
    ("mnist", shipped_idx, [28, 28, 1], None),
    ("fashion-mnist", packaged_idx, [28, 28, 1], None),
    ("sprites", sprites::load, [64, 64, 1], None),
    ("rectangles", rectangles::load, [28, 28, 1], None),
    ("dictionary", dictionary::load, [8, 8, 1], None),
    ("moving-mnist", moving, [28, 28, 1], Some(MOVING_FRAMES)),
    ("oscillator", oscillating, [1, 1, 1], Some(oscillator::FRAMES)),
    (recall::NAME, recall::load, [1, 1, 1], Some(recall::FRAMES)),
    ("emoji", emoji::load, [32, 32, 3], None),
    ("photographs", photographs::load, [32, 32, 3], None),
];

/// The names that [`load`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.0)
}

/// The shape of an image of the set that goes by `name`, and the frames of a sequence of them, without loading it.
pub fn extent(name: &str) -> Option<([usize; 3], Option<usize>)> {
    TABLE.iter().find(|row| row.0 == name).map(|&(_, _, shape, frames)| (shape, frames))
}

/// The data set that `source` names: one of [`names`], or else a folder or a file (so a folder called `mnist` is
/// `./mnist`). What has no test images gives up some of its training images.
pub fn load(source: &str, o: &Options) -> Result<Dataset> {
    if let Some((name, load, ..)) = TABLE.iter().find(|row| row.0 == source) {
        return load(name, o);
    }
    let path = Path::new(source);
    if path.exists() {
        let full = path.canonicalize().map_err(|e| Error::io("cannot open", path, &e))?;
        let name = full.file_name().map_or_else(|| source.into(), |n| n.to_string_lossy().into_owned());
        return if path.is_dir() { in_folder(path, name, o) } else { in_file(path, name, o) };
    }
    let nearest = names().map(|n| (strsim::jaro_winkler(n, source), n)).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint =
        nearest.filter(|(score, _)| *score >= 0.75).map_or(String::new(), |(_, n)| format!("; did you mean `{n}`?"));
    Err(Error::usage(format!(
        "no data set, folder or file named `{source}`{hint} (data sets: {})",
        names().collect::<Vec<_>>().join(", ")
    )))
}

/// By what the folder holds; IDX files, which are named in the refusal, come first.
fn in_folder(path: &Path, name: String, o: &Options) -> Result<Dataset> {
    if cifar::is(path) {
        return cifar::load(path, name, o);
    }
    if !folder::is(path) && images::is(path)? {
        return images::load(path, name, o);
    }
    folder::load(path, name, o)
}

/// By the end of the file's name.
fn in_file(path: &Path, name: String, o: &Options) -> Result<Dataset> {
    let lower = name.to_lowercase();
    let ends = |end: &str| lower.ends_with(end);
    if ends(".npz") {
        return npz::load(path, name, o);
    }
    if ends(".npy") {
        let (shape, train) = npy::split(path)?;
        return Dataset::divide(name, shape, train, None, o);
    }
    if ends(".csv") || ends(".csv.gz") {
        return csv::load(path, name, o);
    }
    Err(Error::usage(format!(
        "`{}` is a file of no known kind: give an .npz, .npy, .csv or .csv.gz, or a folder of IDX, CIFAR-10 or picture files",
        path.display()
    )))
}

const IDX: [&str; 4] = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
];

/// A shipped folder of the four gzipped IDX files.
fn shipped_idx(name: &str, o: &Options) -> Result<Dataset> {
    folder::load(&assets::folder(name, &IDX)?, name.into(), o)
}

/// The same from a package of Debian.
fn packaged_idx(name: &str, o: &Options) -> Result<Dataset> {
    folder::load(&assets::packaged(name, &IDX)?, name.into(), o)
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

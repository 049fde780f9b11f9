//! `elbo data NAME`: what a data set is, and its images as a picture or as numbers.

use super::common::{data_name, show};
use super::trained::wrote;
use crate::checkpoint::write_whole_at;
use crate::config::Label;
use crate::data::{self, Dataset, Images, Matrix, Options, Split};
use crate::kernels::outlines::{COUNT, FACTORS, index};
use crate::report;
use crate::train::progress::thousands;
use crate::values::{Error, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Arguments of `elbo data`. What chooses images has nothing to choose for where none are written.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("written").args(["out", "labels"]).multiple(true)))]
pub struct Args {
    /// A data set by name, or a folder (IDX, CIFAR-10, PNG, JPEG) or a file (.npz, .npy, .csv, .csv.gz) of one
    #[arg(value_name = "NAME|PATH")]
    name: String,
    /// The split: train, validation or test [default: train]
    #[arg(long, requires = "written", value_parser = ["train", "validation", "test"])]
    split: Option<String>,
    /// How many of its first images [default: 100; to numbers all]
    #[arg(short, long, value_name = "N", requires = "written")]
    n: Option<usize>,
    /// Which images instead, as in 0,7,20-29: places in the split, of `sprites` in the grid of 737,280
    #[arg(long, value_name = "LIST", conflicts_with = "n", requires = "written")]
    index: Option<String>,
    /// Which sprites instead: rows of the classes of shape, scale, orientation, x and y, with or without a colour of 0
    /// before them, as .npy
    #[arg(long, value_name = "FILE", conflicts_with_all = ["n", "index", "split"], requires = "written")]
    factors: Option<PathBuf>,
    /// Where they go: a picture, .png; or numbers, .npy: [N, height, width], or with 3 more for colours
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where their labels go, .npy: [N]; of sprites their factors, [N, 6]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Images taken off the end of the training set for validation
    #[arg(long, default_value = "0", value_name = "N")]
    validation: usize,
    /// Images given up for testing by a set that has no test images [default: a tenth]
    #[arg(long, default_value = "0", value_name = "N")]
    test: usize,
    /// The column of a .csv with the labels: auto, first, last or none
    #[arg(long, default_value = "auto", value_parser = label)]
    label: Label,
}

impl Args {
    fn split(&self) -> &str {
        self.split.as_deref().unwrap_or("train")
    }
}

/// The most pictures of one grid.
const MOST: usize = 100_000;
/// Pictures a row.
const COLUMNS: usize = 10;

fn label(text: &str) -> std::result::Result<Label, String> {
    match text {
        "auto" => Ok(Label::Auto),
        "first" => Ok(Label::First),
        "last" => Ok(Label::Last),
        "none" => Ok(Label::None),
        _ => Err("write auto, first, last or none".into()),
    }
}

pub fn run(a: Args) -> Result<()> {
    for (path, kinds) in [(&a.out, &["png", "npy"][..]), (&a.labels, &["npy"])] {
        if let Some(path) = path {
            ends_in(path, kinds)?;
        }
    }
    let options = Options { validation: a.validation, test: a.test, label: a.label, ..Options::WHOLE };
    let set = data::load(&data_name(&a.name), &options)?;
    if a.out.is_none() && a.labels.is_none() {
        return show(&summary(&set));
    }
    if set.sequence.is_some() {
        return Err(Error::usage(format!(
            "`{}` is a set of sequences, and `elbo data` writes single images: `elbo rollout` of a run shows its frames",
            set.name
        )));
    }
    let split = match a.split() {
        "train" => &set.train,
        "validation" => &set.validation,
        _ => &set.test,
    };
    let picture = a.out.as_ref().is_some_and(|out| extension(out) == "png");
    let some = chosen(&a, &set, split, picture)?;
    if let Some(path) = &a.out {
        write_whole_at(path, &if picture { png(&some, &set)? } else { numbers(&some, &set, path)? })?;
        wrote(path)?;
    }
    if let Some(path) = &a.labels {
        write_whole_at(path, &labels(&some, &set, path)?)?;
        wrote(path)?;
    }
    Ok(())
}

fn extension(path: &Path) -> String {
    path.extension().map_or_else(String::new, |e| e.to_string_lossy().to_lowercase())
}

fn ends_in(path: &Path, kinds: &[&str]) -> Result<()> {
    if kinds.contains(&extension(path).as_str()) {
        return Ok(());
    }
    let kinds: Vec<String> = kinds.iter().map(|k| format!(".{k}")).collect();
    Err(Error::usage(format!("{} does not end in {}", path.display(), kinds.join(" or "))))
}

fn summary(set: &Dataset) -> String {
    let [h, w, c] = set.shape;
    let channels = if c == 1 { String::new() } else { format!(" × {c}") };
    let frames = set.sequence.map_or(String::new(), |s| format!("sequences of {} frames of ", s.frames));
    let mut text = format!("{}: {frames}{h} × {w}{channels}\n", set.name);
    for (name, split) in [("train", &set.train), ("validation", &set.validation), ("test", &set.test)] {
        let labels = match (split.labels.iter().min(), split.labels.iter().max()) {
            (Some(least), Some(most)) => format!("  labels {least} to {most}"),
            _ => String::new(),
        };
        if !split.is_empty() {
            let line = format!("{name:<10} {:>9}{labels}", thousands(split.len() as u64));
            writeln!(text, "{}", line.trim_end()).expect("a String takes every write");
        }
    }
    if matches!(set.train.images, Images::Sprites(_)) {
        let names = ["colour", "shape", "scale", "orientation", "x", "y"];
        let factors: Vec<String> = names.iter().zip(FACTORS).map(|(name, n)| format!("{name} {n}")).collect();
        writeln!(text, "factors    {}; drawn where they are used", factors.join(", "))
            .expect("a String takes every write");
    }
    text
}

/// The images that were asked for.
fn chosen(a: &Args, set: &Dataset, split: &Split, picture: bool) -> Result<Split> {
    let drawn = matches!(split.images, Images::Sprites(_));
    if let Some(path) = &a.factors {
        if !drawn {
            return Err(Error::usage(format!("`{}` is no set of sprites: --factors has nothing to draw", set.name)));
        }
        return Ok(Split::sprites(places(path)?));
    }
    let all = if drawn && a.index.is_some() { COUNT } else { split.len() };
    let which: Vec<usize> = match &a.index {
        Some(list) => parse(list, all)?,
        None => (0..all.min(a.n.unwrap_or(if picture { 100 } else { all }))).collect(),
    };
    if which.is_empty() {
        return Err(Error::usage(format!(
            "there is no image to write: `{}` has {} {} images",
            set.name,
            split.len(),
            a.split()
        )));
    }
    if picture && which.len() > MOST {
        return Err(Error::usage(format!("{} images are more than the {MOST} of one picture: take -n", which.len())));
    }
    Ok(match &split.images {
        Images::Sprites(_) if a.index.is_some() => Split::sprites(which.iter().map(|&i| i as u32).collect()),
        Images::Sprites(places) => Split::sprites(which.iter().map(|&i| places[i]).collect()),
        Images::Stored(_) => {
            let labels =
                if split.labels.is_empty() { vec![] } else { which.iter().map(|&i| split.labels[i]).collect() };
            let mut bytes = Vec::with_capacity(which.len() * split.inner);
            which.iter().for_each(|&i| bytes.extend_from_slice(&split.image(i)));
            Split::stored(bytes, labels, split.inner)
        }
    })
}

/// `0,7,20-29` → its numbers, all below `n`.
fn parse(list: &str, n: usize) -> Result<Vec<usize>> {
    let mut all = Vec::new();
    for part in list.split(',').map(str::trim) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let [Ok(from), Ok(to)] = [from, to].map(|v| v.trim().parse::<usize>()) else {
            return Err(Error::usage(format!("--index: `{part}` is no number and no range: write 0,7,20-29")));
        };
        if from > to || to >= n {
            return Err(Error::usage(format!("--index: `{part}` must rise, and stay below {n}")));
        }
        all.extend(from..=to);
    }
    Ok(all)
}

/// The places in the grid of the rows of a file.
fn places(path: &Path) -> Result<Vec<u32>> {
    let Matrix { columns, values, .. } = Matrix::read(path)?;
    let skipped = match columns {
        6 => 0,
        5 => 1,
        _ => {
            let text =
                format!("{} has {columns} columns, and a sprite has 5 factors, or 6 with its colour", path.display());
            return Err(Error::failure(text));
        }
    };
    let place = |(row, values): (usize, &[f64])| {
        let mut classes = [0; 6];
        for (i, &v) in values.iter().enumerate() {
            let n = FACTORS[i + skipped];
            if !(v >= 0.0 && v < n as f64 && v.fract() == 0.0) {
                let text =
                    format!("{}, row {row}: the class {v} is no whole number from 0 to {}", path.display(), n - 1);
                return Err(Error::failure(text));
            }
            classes[i + skipped] = v as u32;
        }
        Ok(index(classes))
    };
    values.chunks_exact(columns).enumerate().map(place).collect()
}

fn png(some: &Split, set: &Dataset) -> Result<Vec<u8>> {
    let pictures: Vec<f32> = some.bytes().iter().map(|&b| f32::from(b) / 255.0).collect();
    report::sheet(&pictures, set.shape, COLUMNS)?.png()
}

fn numbers(some: &Split, set: &Dataset, path: &Path) -> Result<Vec<u8>> {
    let [h, w, c] = set.shape;
    let shape = [some.len(), h, w, c];
    report::npy(&some.bytes(), if c == 1 { &shape[..3] } else { &shape }, path)
}

fn labels(some: &Split, set: &Dataset, path: &Path) -> Result<Vec<u8>> {
    let factors: Vec<u8> = (0..some.len()).filter_map(|i| some.factors(i)).flatten().map(|c| c as u8).collect();
    match (factors.is_empty(), some.labels.is_empty()) {
        (false, _) => report::npy(&factors, &[some.len(), FACTORS.len()], path),
        (true, false) => report::npy(&some.labels, &[some.len()], path),
        _ => Err(Error::usage(format!("`{}` has no labels to write", set.name))),
    }
}

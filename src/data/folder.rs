//! A folder of IDX files: `train-images`, and if there are any, `train-labels`, `t10k-images`, `t10k-labels`.

use std::path::{Path, PathBuf};

use super::dataset::{Dataset, Options, Split};
use super::idx;
use crate::values::{Error, Result};

/// The data set in `dir`, to be called `name`.
pub fn load(dir: &Path, name: String, o: &Options) -> Result<Dataset> {
    // To unpack is what takes time here. On a thread of its own: the pool of threads is built by whoever knows their number.
    let (train, test) = std::thread::scope(|threads| {
        let test = threads.spawn(|| split(dir, "t10k"));
        (split(dir, "train"), test.join().expect("reading a file does not panic"))
    });
    let (shape, train) = train?.ok_or_else(|| {
        Error::failure(format!(
            "{} holds no training images: expected {}, or data_batch_1.bin, or PNG or JPEG files or folders of them",
            dir.display(),
            spellings("train", "images", 3).join(" or ")
        ))
    })?;
    let test = test?;
    if let Some((other, _)) = test.as_ref().filter(|(other, _)| *other != shape) {
        return Err(Error::failure(format!(
            "{}: the training images are {} × {}, the test images {} × {}",
            dir.display(),
            shape[0],
            shape[1],
            other[0],
            other[1]
        )));
    }
    Dataset::divide(name, shape, train, test.map(|(_, t)| t), o)
}

/// Whether a folder holds images or labels for training.
pub fn is(dir: &Path) -> bool {
    find(dir, "train", "images", 3).or_else(|| find(dir, "train", "labels", 1)).is_some()
}

/// The shape of an image, and the images of one part with their labels if there are any.
fn split(dir: &Path, part: &str) -> Result<Option<([usize; 3], Split)>> {
    let (images, labels) = (find(dir, part, "images", 3), find(dir, part, "labels", 1));
    let Some(images) = images else {
        return match labels {
            Some(labels) => Err(Error::failure(format!("{} labels images that are not there", labels.display()))),
            None => Ok(None),
        };
    };
    let idx::Idx { dims, bytes } = idx::read(&images, 3)?;
    let split_labels = match &labels {
        Some(path) => idx::read(path, 1)?.bytes,
        None => Vec::new(),
    };
    if let Some(path) = labels.filter(|_| split_labels.len() != dims[0]) {
        return Err(Error::failure(format!(
            "{} holds {} labels for the {} images of {}",
            path.display(),
            split_labels.len(),
            dims[0],
            images.display()
        )));
    }
    Ok(Some(([dims[1], dims[2], 1], Split::stored(bytes, split_labels, dims[1] * dims[2]))))
}

/// The first spelling that is there. A dangling link counts: reading it tells what is wrong.
fn find(dir: &Path, part: &str, what: &str, rank: u8) -> Option<PathBuf> {
    spellings(part, what, rank).iter().map(|f| dir.join(f)).find(|f| f.symlink_metadata().is_ok())
}

fn spellings(part: &str, what: &str, rank: u8) -> [String; 4] {
    let [a, b] = ["-", "."].map(|dot| format!("{part}-{what}{dot}idx{rank}-ubyte"));
    [format!("{a}.gz"), format!("{b}.gz"), a, b]
}

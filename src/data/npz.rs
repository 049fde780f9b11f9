//! Archives of NumPy, .npz: Keras' `mnist.npz` (`x_train`, `y_train`, `x_test`, `y_test`), dSprites (`imgs`,
//! `latents_classes`), or images and labels under other common names. What else they hold is not read.

use super::dataset::{Dataset, Options, Split};
use super::file::{MAX_BYTES, MAX_RATIO, Source, wrong};
use super::levels;
use super::npy::{self, Array};
use crate::values::Result;
use std::fmt::Debug;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// Names of images for training, and of their labels.
const TRAIN: [(&str, &str); 6] = [
    ("x_train", "y_train"),
    ("imgs", "latents_classes"),
    ("images", "labels"),
    ("data", "labels"),
    ("x", "y"),
    ("arr_0", "arr_1"),
];
/// What is made of an array of examples: what each of them is, and the bytes of all. The path is for messages.
type Read<S> = fn(Array, &Path) -> Result<(S, Vec<u8>)>;

/// dSprites' labels are the classes of its factors: the shape is the second.
const SHAPE: usize = 1;

/// The data set in the archive at `path`, to be called `name`.
pub fn load(path: &Path, name: String, o: &Options) -> Result<Dataset> {
    let (shape, train, test) = splits(path, Array::images)?;
    Dataset::divide(name, shape, train, test, o)
}

/// What `read` says of the arrays of examples in the archive at `path`, which must be one for all, the training split, and the
/// test split where there is one.
pub fn splits<S: PartialEq + Debug>(path: &Path, read: Read<S>) -> Result<(S, Split, Option<Split>)> {
    let Source { size, from, .. } = Source::open(path)?;
    let zip = ZipArchive::new(from).map_err(|e| wrong(path, format!("is no .npz archive: {e}")))?;
    let mut archive = Archive { path, size, zip };
    let found = TRAIN.iter().find(|(images, _)| archive.has(images));
    let Some((images, labels)) = found else {
        let known: Vec<&str> = TRAIN.iter().map(|(images, _)| *images).collect();
        return Err(wrong(path, format!("holds no array of images: none is called {}", known.join(", "))));
    };
    let (shape, train) = archive.split(images, labels, read)?;
    let test = if archive.has("x_test") { Some(archive.split("x_test", "y_test", read)?) } else { None };
    if let Some((other, _)) = test.as_ref().filter(|(other, _)| *other != shape) {
        return Err(wrong(path, format!("holds training images of {shape:?} and test images of {other:?}")));
    }
    Ok((shape, train, test.map(|(_, t)| t)))
}

struct Archive<'a> {
    path: &'a Path,
    size: u64,
    zip: ZipArchive<BufReader<File>>,
}

impl Archive<'_> {
    fn has(&self, array: &str) -> bool {
        self.zip.index_for_name(&format!("{array}.npy")).is_some()
    }

    /// The path of an array, for messages.
    fn place(&self, array: &str) -> PathBuf {
        self.path.join(format!("{array}.npy"))
    }

    fn array(&mut self, array: &str) -> Result<Array> {
        let (place, size) = (self.place(array), self.size);
        let entry = self.zip.by_name(&format!("{array}.npy"));
        let entry = entry.map_err(|e| wrong(&place, format!("cannot be unpacked: {e}")))?;
        // What an entry claims of itself is believed no further than the file's real size allows.
        let packed = entry.compressed_size().min(size);
        let stored = entry.compression() == zip::CompressionMethod::Stored;
        let most = if stored { packed } else { packed.saturating_mul(MAX_RATIO).min(MAX_BYTES) };
        npy::parse(entry, most, &place)
    }

    /// What `read` says of an array of examples, and the split.
    fn split<S>(&mut self, images: &str, labels: &str, read: Read<S>) -> Result<(S, Split)> {
        let place = self.place(images);
        let array = self.array(images)?;
        let n = array.shape[0];
        let (shape, bytes) = read(array, &place)?;
        let inner = bytes.len() / n;
        if !self.has(labels) {
            return Ok((shape, Split::stored(bytes, vec![], inner)));
        }
        let place = self.place(labels);
        let array = self.array(labels)?;
        let columns = array.shape[1..].iter().product::<usize>();
        if array.shape[0] != n || (columns != 1 && labels != "latents_classes") || columns == 0 {
            return Err(wrong(
                &place,
                format!("holds {:?} numbers, not a label for each of the {n} images", array.shape),
            ));
        }
        let column = if columns > SHAPE { SHAPE } else { 0 };
        let numbers: Vec<f32> = array.numbers().into_iter().skip(column).step_by(columns).collect();
        let labels = levels::labels(&numbers).map_err(|e| wrong(&place, e))?;
        Ok((shape, Split::stored(bytes, labels, inner)))
    }
}

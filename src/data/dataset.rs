//! A data set in memory, and how its training images are divided.

use crate::values::{Error, Philox, Result, permutation, stream};

/// Images, each of `inner` bytes, and their labels. A pixel's channels are neighbours: \[height, width, channels\].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// n·inner bytes, row-major.
    pub bytes: Vec<u8>,
    /// n labels, or none at all.
    pub labels: Vec<u8>,
    /// The bytes of one image.
    pub inner: usize,
}

/// How the examples of a set are sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Frames of an example.
    pub frames: usize,
    /// What an example is stored as.
    pub stored: Stored,
}

/// What a sequence is stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// A byte a number, frame after frame.
    Bytes,
    /// An f32 a number, little-endian, frame after frame.
    Reals,
    /// One picture of bytes, of such a width, which moves by a pixel a frame.
    Moving {
        /// Pixels of a row.
        width: usize,
    },
}

impl Stored {
    /// The bytes of a sequence of so many frames of so many numbers.
    pub fn bytes(self, frames: usize, features: usize) -> usize {
        match self {
            Self::Bytes => frames * features,
            Self::Reals => 4 * frames * features,
            Self::Moving { .. } => features,
        }
    }
}

/// What a run learns from and is measured on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The name it was asked for by, or its folder's.
    pub name: String,
    /// The shape of one image: \[height, width, channels\], with 1 channel (grey) or 3 (red, green, blue).
    pub shape: [usize; 3],
    /// Of a set of sequences, of which `shape` is that of a frame.
    pub sequence: Option<Sequence>,
    /// What training draws from.
    pub train: Split,
    /// Taken off the end of the training images; may be empty.
    pub validation: Split,
    /// Never seen in training.
    pub test: Split,
}

/// How much of a data set is used, and for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How many images are taken off the end of the training images for validation.
    pub validation: usize,
    /// Keeps the first so many of each split, 0: all. Applied last, so a limit never moves an image between splits.
    pub limit: usize,
}

impl Split {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.inner
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes of image `i`.
    pub fn image(&self, i: usize) -> &[u8] {
        &self.bytes[i * self.inner..][..self.inner]
    }

    /// Keeps the first n, returns the rest.
    fn split_off(&mut self, n: usize) -> Self {
        let labels = if self.labels.is_empty() { Vec::new() } else { self.labels.split_off(n) };
        Self { bytes: self.bytes.split_off(n * self.inner), labels, inner: self.inner }
    }

    fn truncate(&mut self, n: usize) {
        self.bytes.truncate(n.saturating_mul(self.inner));
        self.labels.truncate(n);
    }

    /// The images that `keep` marks, in order.
    fn filtered(&self, keep: impl Fn(usize) -> bool) -> Self {
        let kept = || (0..self.len()).filter(|&i| keep(i));
        let bytes = kept().flat_map(|i| self.image(i)).copied().collect();
        let labels = if self.labels.is_empty() { Vec::new() } else { kept().map(|i| self.labels[i]).collect() };
        Self { bytes, labels, inner: self.inner }
    }
}

impl Dataset {
    /// Divides `train`, and cuts all to the options' limit. Without a `test`, a fixed tenth of `train` becomes it.
    pub(super) fn divide(
        name: String,
        shape: [usize; 3],
        train: Split,
        test: Option<Split>,
        o: &Options,
    ) -> Result<Self> {
        let (mut train, mut test) = match test {
            Some(test) => (train, test),
            None => give_up_a_tenth(&name, train)?,
        };
        let n = train.len();
        if o.validation >= n {
            return Err(Error::usage(format!(
                "data.validation = {} leaves nothing of the {n} training images of `{name}`: take at most {}",
                o.validation,
                n - 1
            )));
        }
        let mut validation = train.split_off(n - o.validation);
        if o.limit > 0 {
            [&mut train, &mut validation, &mut test].into_iter().for_each(|s| s.truncate(o.limit));
        }
        Ok(Self { name, shape, sequence: None, train, validation, test })
    }
}

/// (the rest, ⌊n/10⌋ but at least 1 for testing), both in their old order. Which ones depends on n alone, never on the
/// run's seed: two runs are measured on the same images.
fn give_up_a_tenth(name: &str, all: Split) -> Result<(Split, Split)> {
    let n = all.len();
    if n < 2 {
        return Err(Error::failure(format!(
            "`{name}` has {n} training image and no test images: it takes at least 2 to split"
        )));
    }
    let order = permutation(n, Philox::new(0, stream("data.test-split", 0), 0));
    let mut tested = vec![false; n];
    order[..(n / 10).max(1)].iter().for_each(|&i| tested[i as usize] = true);
    Ok((all.filtered(|i| !tested[i]), all.filtered(|i| tested[i])))
}

//! A data set in memory, and how its training images are divided.

use crate::config::Label;
use crate::kernels::{outlines, sprites};
use crate::values::{Error, Philox, Result, permutation, stream};
use std::borrow::Cow;

/// Images, each of `inner` bytes, and their labels. A pixel's channels are neighbours: \[height, width, channels\].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The images.
    pub images: Images,
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

/// What images are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Images {
    /// n·inner bytes, row-major.
    Stored(Vec<u8>),
    /// n places in the grid of sprites, which are drawn where they are used: [`outlines::classes`].
    Sprites(Vec<u32>),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many images are taken off the end of the training images for validation.
    pub validation: usize,
    /// How many images a set without test images gives up for testing; 0: a tenth.
    pub test: usize,
    /// Where a table has its labels.
    pub label: Label,
    /// Keeps the first so many of each split, 0: all. Applied last, so a limit never moves an image between splits.
    pub limit: usize,
}

impl Options {
    /// All of a set, and none of it for validation.
    pub const WHOLE: Self = Self { validation: 0, test: 0, label: Label::Auto, limit: 0 };
}

impl Split {
    /// Images of `inner` bytes each.
    pub fn stored(bytes: Vec<u8>, labels: Vec<u8>, inner: usize) -> Self {
        Self { images: Images::Stored(bytes), labels, inner }
    }

    /// Pictures of the grid of sprites, by their places in it; their labels are the shapes.
    pub fn sprites(places: Vec<u32>) -> Self {
        let labels = places.iter().map(|&place| outlines::classes(place)[1] as u8).collect();
        Self { images: Images::Sprites(places), labels, inner: sprites::PIXELS }
    }

    /// Of sprites, the classes of each of the six factors of image `i`: [`outlines::FACTORS`].
    pub fn factors(&self, i: usize) -> Option<[u32; 6]> {
        match &self.images {
            Images::Sprites(places) => Some(outlines::classes(places[i])),
            Images::Stored(_) => None,
        }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        match &self.images {
            Images::Stored(bytes) => bytes.len() / self.inner,
            Images::Sprites(places) => places.len(),
        }
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of image `i`.
    pub fn image(&self, i: usize) -> Cow<'_, [u8]> {
        match &self.images {
            Images::Stored(bytes) => Cow::Borrowed(&bytes[i * self.inner..][..self.inner]),
            Images::Sprites(places) => Cow::Owned(sprites::picture(places[i])),
        }
    }

    /// The bytes of all images, one after the other.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.images {
            Images::Stored(bytes) => Cow::Borrowed(bytes),
            Images::Sprites(_) => (0..self.len()).flat_map(|i| self.image(i).into_owned()).collect(),
        }
    }

    /// Keeps the first n, returns the rest.
    fn split_off(&mut self, n: usize) -> Self {
        let labels = if self.labels.is_empty() { Vec::new() } else { self.labels.split_off(n) };
        let images = match &mut self.images {
            Images::Stored(bytes) => Images::Stored(bytes.split_off(n * self.inner)),
            Images::Sprites(places) => Images::Sprites(places.split_off(n)),
        };
        Self { images, labels, inner: self.inner }
    }

    /// Keeps the first n.
    pub(super) fn truncate(&mut self, n: usize) {
        match &mut self.images {
            Images::Stored(bytes) => bytes.truncate(n.saturating_mul(self.inner)),
            Images::Sprites(places) => places.truncate(n),
        }
        self.labels.truncate(n);
    }

    /// The images that `keep` marks, in order.
    fn filtered(&self, keep: impl Fn(usize) -> bool) -> Self {
        let kept = || (0..self.len()).filter(|&i| keep(i));
        let images = match &self.images {
            Images::Stored(bytes) => {
                let mut some = Vec::with_capacity(kept().count() * self.inner);
                kept().for_each(|i| some.extend(&bytes[i * self.inner..][..self.inner]));
                Images::Stored(some)
            }
            Images::Sprites(places) => Images::Sprites(kept().map(|i| places[i]).collect()),
        };
        let labels = if self.labels.is_empty() { Vec::new() } else { kept().map(|i| self.labels[i]).collect() };
        Self { images, labels, inner: self.inner }
    }
}

impl Dataset {
    /// Divides `train`, and cuts all to the options' limit. Without a `test`, some of `train` become it.
    pub(super) fn divide(
        name: String,
        shape: [usize; 3],
        train: Split,
        test: Option<Split>,
        o: &Options,
    ) -> Result<Self> {
        let (mut train, mut test) = match test {
            Some(_) if o.test > 0 => {
                return Err(Error::usage(format!(
                    "`{name}` has test images of its own: data.test = {} must be 0",
                    o.test
                )));
            }
            Some(test) => (train, test),
            None => give_up(&name, train, o.test)?,
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

/// (the rest, `wanted` or else ⌊n/10⌋ but at least 1 for testing), both in their old order. Which ones depends on n and
/// their number alone, never on the run's seed: two runs are measured on the same images.
fn give_up(name: &str, all: Split, wanted: usize) -> Result<(Split, Split)> {
    let n = all.len();
    if n < 2 {
        return Err(Error::failure(format!(
            "`{name}` has {n} training image and no test images: it takes at least 2 to split"
        )));
    }
    if wanted >= n {
        return Err(Error::usage(format!(
            "data.test = {wanted} leaves nothing of the {n} images of `{name}`: take at most {}",
            n - 1
        )));
    }
    let count = if wanted > 0 { wanted } else { (n / 10).max(1) };
    let order = permutation(n, Philox::new(0, stream("data.test-split", 0), 0));
    let mut tested = vec![false; n];
    order[..count].iter().for_each(|&i| tested[i as usize] = true);
    Ok((all.filtered(|i| !tested[i]), all.filtered(|i| tested[i])))
}

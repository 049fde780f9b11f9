//! Folders of PNG and JPEG files, all of one size: flat, or with a subfolder a class; or `train` and `test` with either in
//! them.

use super::dataset::{Dataset, Options, Split};
use super::file::{MAX_BYTES, MAX_RATIO, Source, wrong};
use crate::values::{Error, Result};
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use std::path::{Path, PathBuf};

/// Labels are bytes.
const MAX_CLASSES: usize = 256;

/// Files, each with the label of its folder if there are classes.
struct Listing {
    files: Vec<PathBuf>,
    labels: Vec<u8>,
}

/// Whether a folder holds such files, or folders of them.
pub fn is(dir: &Path) -> Result<bool> {
    if !pictures(dir)?.is_empty() {
        return Ok(true);
    }
    for folder in folders(dir)? {
        if !pictures(&folder)?.is_empty() {
            return Ok(true);
        }
        for inner in folders(&folder)? {
            if !pictures(&inner)?.is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The data set in `dir`, to be called `name`. Classes are numbered in the order of their folders' names.
pub fn load(dir: &Path, name: String, o: &Options) -> Result<Dataset> {
    let parts = ["train", "test"].map(|part| dir.join(part));
    let divided = parts.iter().all(|p| p.is_dir());
    let train = list(if divided { &parts[0] } else { dir })?;
    let test = if divided { Some(list(&parts[1])?) } else { None };
    let shape = shape(&train, test.as_ref())?;
    let train = read(&train, shape)?;
    let test = test.map(|test| read(&test, shape)).transpose()?;
    Dataset::divide(name, shape, train, test, o)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let io = |e: std::io::Error| Error::io("cannot read", dir, &e);
    let all = std::fs::read_dir(dir).map_err(io)?.map(|entry| entry.map(|e| e.path()));
    let mut all = all.collect::<std::io::Result<Vec<PathBuf>>>().map_err(io)?;
    all.sort();
    Ok(all)
}

fn folders(dir: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(dir)?.into_iter().filter(|p| p.is_dir()).collect())
}

fn pictures(dir: &Path) -> Result<Vec<PathBuf>> {
    let is = |p: &PathBuf| {
        let end = p.extension().map(|e| e.to_string_lossy().to_lowercase());
        end.is_some_and(|e| ["png", "jpg", "jpeg"].contains(&e.as_str())) && !p.is_dir()
    };
    Ok(entries(dir)?.into_iter().filter(is).collect())
}

fn list(dir: &Path) -> Result<Listing> {
    let flat = pictures(dir)?;
    let mut classes = Vec::new();
    for folder in folders(dir)? {
        let files = pictures(&folder)?;
        if !files.is_empty() {
            classes.push(files);
        }
    }
    if !flat.is_empty() {
        if !classes.is_empty() {
            let text =
                "holds pictures beside folders of pictures: keep one of them, or move the pictures into a folder";
            return Err(wrong(dir, text));
        }
        return Ok(Listing { files: flat, labels: vec![] });
    }
    if classes.is_empty() {
        return Err(wrong(dir, "holds no .png or .jpg file, and no folder of them"));
    }
    if classes.len() > MAX_CLASSES {
        return Err(wrong(dir, format!("holds {} classes, more than {MAX_CLASSES}", classes.len())));
    }
    let labels = classes.iter().enumerate().flat_map(|(label, files)| vec![label as u8; files.len()]).collect();
    Ok(Listing { files: classes.concat(), labels })
}

/// Opens a picture for decoding, if its real size can hold what its header declares.
fn open(path: &Path) -> Result<(impl ImageDecoder, [usize; 2])> {
    let Source { size, from, .. } = Source::open(path)?;
    let no = |e: image::ImageError| wrong(path, format!("is no PNG or JPEG that can be read: {e}"));
    let mut reader = ImageReader::new(from).with_guessed_format().map_err(|e| Error::io("cannot read", path, &e))?;
    let most = size.saturating_mul(MAX_RATIO);
    let mut limits = Limits::default();
    // A decoder has an image in memory, rows of it and tables.
    limits.max_alloc = Some(2 * most + (1 << 20));
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(no)?;
    let (width, height) = decoder.dimensions();
    if decoder.total_bytes() > most {
        return Err(wrong(path, format!("declares {width} × {height} pixels, more than its {size} bytes can hold")));
    }
    Ok((decoder, [height as usize, width as usize]))
}

/// \[height, width, channels\] of all pictures: grey if all are.
fn shape(train: &Listing, test: Option<&Listing>) -> Result<[usize; 3]> {
    let mut known: Option<(&PathBuf, [usize; 2])> = None;
    let (mut colour, mut count) = (false, 0u64);
    for path in train.files.iter().chain(test.iter().flat_map(|t| &t.files)) {
        let (decoder, size) = open(path)?;
        colour |= decoder.color_type().has_color();
        count += 1;
        match known {
            None => known = Some((path, size)),
            Some((first, other)) if other != size => {
                return Err(wrong(
                    path,
                    format!(
                        "has {} × {} pixels, and {} has {} × {}: all must be of one size",
                        size[1],
                        size[0],
                        first.display(),
                        other[1],
                        other[0]
                    ),
                ));
            }
            Some(_) => {}
        }
    }
    let (first, [height, width]) = known.expect("a listing has a file at least");
    let channels = if colour { 3 } else { 1 };
    let bytes = (height as u64).saturating_mul((width * channels) as u64).saturating_mul(count);
    if bytes > MAX_BYTES {
        return Err(wrong(first, format!("and its {count} pictures have {bytes} bytes, more than {MAX_BYTES}")));
    }
    Ok([height, width, channels])
}

fn read(listing: &Listing, shape: [usize; 3]) -> Result<Split> {
    let inner = shape.iter().product();
    let mut bytes = Vec::new();
    for path in &listing.files {
        let (decoder, _) = open(path)?;
        let image = DynamicImage::from_decoder(decoder);
        let image = image.map_err(|e| wrong(path, format!("is no PNG or JPEG that can be read: {e}")))?;
        bytes.extend(pixels(&image, shape[2]));
    }
    let count = listing.files.len();
    if bytes.len() != count * inner {
        return Err(wrong(&listing.files[0], format!("and its {count} pictures changed while they were read")));
    }
    Ok(Split::stored(bytes, listing.labels.clone(), inner))
}

/// Bytes of an image, on white where it is transparent.
fn pixels(image: &DynamicImage, channels: usize) -> Vec<u8> {
    let on_white =
        |v: u8, alpha: u8| ((u32::from(v) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8;
    if channels == 1 {
        return image.to_luma_alpha8().pixels().map(|p| on_white(p[0], p[1])).collect();
    }
    image.to_rgba8().pixels().flat_map(|p| [0, 1, 2].map(|c| on_white(p[c], p[3]))).collect()
}

//! A user's own sequences: an array of NumPy, .npy, whose axes are examples, time, and those of a frame.

use super::dataset::{Dataset, Options, Sequence, Split, Stored};
use super::npy;
use crate::values::{Error, Result};
use npyz::{DType, NpyFile, Order};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// No file may declare more bytes than this, 4 GiB.
const MAX_BYTES: u64 = 1 << 32;

/// The sequences in the .npy file at `path`: \[examples, time\], \[examples, time, features\], or frames that are pictures,
/// \[examples, time, height, width\] or with channels last. Bytes are levels from 0 to 255, floats any finite numbers. A tenth
/// of the examples is for testing.
pub fn load_sequences(path: &Path, o: &Options) -> Result<Dataset> {
    let io = |e: std::io::Error| Error::io("cannot read", path, &e);
    let wrong = |what: String| Error::failure(format!("{} {what}", path.display()));
    let meta = std::fs::metadata(path).map_err(io)?;
    if !meta.is_file() {
        return Err(wrong("is not a regular file".into()));
    }
    let mut from = BufReader::new(File::open(path).map_err(io)?);
    let header = npy::header(&mut from).map_err(|e| wrong(format!("is no array of NumPy: {e}")))?;
    let file = NpyFile::with_header(header, from);
    let dims = file.shape().to_vec();
    let shape = match dims[..] {
        [_, _] => [1, 1, 1],
        [_, _, features] => [1, features, 1],
        [_, _, height, width] => [height, width, 1],
        [_, _, height, width, channels] => [height, width, channels],
        _ => {
            return Err(wrong(format!(
                "has {} axes: sequences have 2 to 5, examples, time and those of a frame",
                dims.len()
            )));
        }
    };
    if file.order() != Order::C {
        return Err(wrong("is in Fortran order: save it by numpy.ascontiguousarray".into()));
    }
    let kind = match file.dtype() {
        DType::Plain(kind) => kind.to_string(),
        _ => return Err(wrong("holds records, not numbers".into())),
    };
    let each: u64 = match &kind[1..] {
        "u1" => 1,
        "f4" => 4,
        "f8" => 8,
        other => return Err(wrong(format!("holds numbers of type {other}: save it as uint8, float32 or float64"))),
    };
    let count = dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).filter(|n| *n > 0 && *n <= MAX_BYTES / 8);
    let Some(count) = count.filter(|n| n * each <= meta.len()) else {
        return Err(wrong(format!("does not hold the {dims:?} numbers that its header declares")));
    };
    let broken = |e: std::io::Error| wrong(format!("cannot be read whole: {e}"));
    let reals = |v: Vec<f32>| -> Result<Vec<u8>> {
        if let Some(i) = v.iter().position(|x| !x.is_finite()) {
            return Err(wrong(format!("holds {} at number {i}: sequences are of finite numbers", v[i])));
        }
        Ok(v.into_iter().flat_map(f32::to_le_bytes).collect())
    };
    let (stored, bytes) = match each {
        1 => (Stored::Bytes, file.into_vec::<u8>().map_err(broken)?),
        4 => (Stored::Reals, reals(file.into_vec::<f32>().map_err(broken)?)?),
        _ => {
            let v = file.into_vec::<f64>().map_err(broken)?;
            (Stored::Reals, reals(v.into_iter().map(|x| x as f32).collect())?)
        }
    };
    let (examples, frames) = (dims[0] as usize, dims[1] as usize);
    debug_assert_eq!(bytes.len() as u64, count * if stored == Stored::Bytes { 1 } else { 4 });
    let inner = bytes.len() / examples;
    let split = Split::stored(bytes, vec![], inner);
    let shape = shape.map(|d| d as usize);
    let name = path.file_stem().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let divided = Dataset::divide(name, shape, split, None, o)?;
    Ok(Dataset { sequence: Some(Sequence { frames, stored }), ..divided })
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;

    fn saved<T: npyz::AutoSerialize + Copy>(dir: &Path, name: &str, shape: &[u64], values: &[T]) -> std::path::PathBuf {
        let path = dir.join(name);
        let file = File::create(&path).unwrap();
        let mut w = npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().unwrap();
        w.extend(values.iter().copied()).unwrap();
        w.finish().unwrap();
        path
    }

    #[test]
    fn bytes_and_reals_become_sequences_and_what_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let o = Options::WHOLE;
        let bytes: Vec<u8> = (0..10 * 3 * 4).map(|i| i as u8).collect();
        let d = load_sequences(&saved(dir.path(), "bytes.npy", &[10, 3, 2, 2], &bytes), &o).unwrap();
        assert_eq!((d.shape, d.sequence), ([2, 2, 1], Some(Sequence { frames: 3, stored: Stored::Bytes })));
        assert_eq!((d.train.len(), d.test.len(), &d.train.image(0)[..]), (9, 1, &bytes[..12]));
        let reals: Vec<f64> = (0..20).map(|i| f64::from(i) / 4.0 - 2.0).collect();
        let d = load_sequences(&saved(dir.path(), "reals.npy", &[4, 5], &reals), &o).unwrap();
        assert_eq!((d.shape, d.sequence), ([1, 1, 1], Some(Sequence { frames: 5, stored: Stored::Reals })));
        assert_eq!(d.train.image(0)[..8], [(-2.0f32).to_le_bytes(), (-1.75f32).to_le_bytes()].concat());
        let refused = |path: &Path| load_sequences(path, &o).unwrap_err().to_string();
        let text = refused(&saved(dir.path(), "nan.npy", &[2, 2], &[0.0f32, 1.0, f32::NAN, 0.0]));
        assert!(text.ends_with("holds NaN at number 2: sequences are of finite numbers"), "{text}");
        assert!(refused(&saved(dir.path(), "flat.npy", &[4], &[0u8; 4])).contains("has 1 axes"));
        assert!(refused(&saved(dir.path(), "long.npy", &[2, 2], &[1i64; 4])).contains("numbers of type i8"));
        let path = saved(dir.path(), "cut.npy", &[10, 3, 2, 2], &bytes);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(!refused(&path).is_empty());
        std::fs::write(&path, b"no array").unwrap();
        assert!(refused(&path).contains("is no array of NumPy"));
    }
}

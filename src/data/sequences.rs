//! A user's own sequences: arrays of NumPy, .npy or in an .npz, whose axes are examples, time, and those of a frame.

use super::dataset::{Dataset, Options, Split};
use super::{npy, npz};
use crate::values::Result;
use std::path::Path;

/// The sequences in the .npy or .npz at `path`: \[examples, time\], \[examples, time, features\], or frames that are
/// pictures, \[examples, time, height, width\] or with channels last. Bytes are grey levels, other numbers any finite ones. An
/// archive has them under the names that images have in one, and labels and a test set if it likes; else a tenth of the
/// examples is for testing.
pub fn load_sequences(path: &Path, o: &Options) -> Result<Dataset> {
    let name = path.file_stem().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let ((shape, sequence), train, test) = if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz")) {
        npz::splits(path, npy::Array::sequences)?
    } else {
        let array = npy::open(path)?;
        let n = array.shape[0];
        let (of, bytes) = array.sequences(path)?;
        let inner = bytes.len() / n;
        (of, Split::stored(bytes, vec![], inner), None)
    };
    Ok(Dataset { sequence: Some(sequence), ..Dataset::divide(name, shape, train, test, o)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Sequence, Stored};
    use npyz::WriterBuilder;
    use std::fs::File;

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
        let path = saved(dir.path(), "cut.npy", &[10, 3, 2, 2], &bytes);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(!refused(&path).is_empty());
        std::fs::write(&path, b"no array").unwrap();
        assert!(refused(&path).contains("is no array of numbers"));
    }
}

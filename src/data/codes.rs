//! The codes of a data set, which a prior learns: a folder of train.npy, test.npy and, where there is a validation split,
//! validation.npy, \[examples, codes\] each, whole numbers, as `elbo prior` leaves them in a run.

use super::dataset::{Dataset, Options, Sequence, Split, Stored};
use super::file::wrong;
use super::npy;
use crate::values::{Error, Result};
use std::path::Path;

/// The most of a code's number, that of a book's entries.
const MOST: f32 = 65_535.0;

/// The codes in the folder `dir`: sequences of reals, one number a frame.
pub fn load_codes(dir: &Path, o: &Options) -> Result<Dataset> {
    if !dir.join("train.npy").is_file() {
        return Err(Error::usage(format!(
            "{} is no folder of codes, with train.npy and test.npy: `elbo prior RUN` makes it from a run of a VQ-VAE",
            dir.display()
        )));
    }
    if o.validation > 0 || o.test > 0 {
        return Err(Error::usage("codes are divided as the run's data is: data.validation and data.test must be 0"));
    }
    let mut width = None;
    let mut split = |name: &str, may_miss: bool| -> Result<Split> {
        let path = dir.join(name);
        let (frames, bytes) = match width {
            Some(frames) if may_miss && !path.exists() => (frames, vec![]),
            _ => read(&path)?,
        };
        let first = *width.get_or_insert(frames);
        if frames != first {
            return Err(wrong(&path, format!("has {frames} codes an example, and train.npy {first}")));
        }
        let mut split = Split::stored(bytes, vec![], 4 * frames);
        if o.limit > 0 {
            split.truncate(o.limit);
        }
        Ok(split)
    };
    let (train, validation, test) =
        (split("train.npy", false)?, split("validation.npy", true)?, split("test.npy", false)?);
    let sequence = Some(Sequence { frames: train.inner / 4, stored: Stored::Reals });
    Ok(Dataset { name: "codes".into(), shape: [1, 1, 1], sequence, train, validation, test })
}

/// Codes an example, and all of them, four bytes each.
fn read(path: &Path) -> Result<(usize, Vec<u8>)> {
    let array = npy::open(path)?;
    let [_, codes] = array.shape[..] else {
        return Err(wrong(path, format!("has {} axes: codes are [examples, codes]", array.shape.len())));
    };
    let numbers = array.numbers();
    if let Some(v) = numbers.iter().find(|v| !(v.fract() == 0.0 && (0.0..=MOST).contains(*v))) {
        return Err(wrong(path, format!("holds {v}: codes are whole numbers from 0 to {MOST}")));
    }
    Ok((codes, numbers.into_iter().flat_map(f32::to_le_bytes).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;

    fn save<T: npyz::AutoSerialize + Copy>(dir: &Path, name: &str, shape: &[u64], values: &[T]) {
        let file = std::fs::File::create(dir.join(name)).unwrap();
        let mut w = npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().unwrap();
        w.extend(values.iter().copied()).unwrap();
        w.finish().unwrap();
    }

    #[test]
    fn codes_are_read_as_they_are_and_what_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let load = |o: &Options| load_codes(dir.path(), o);
        let refused = || load(&Options::WHOLE).unwrap_err().to_string();
        assert!(refused().contains("is no folder of codes"), "{}", refused());
        save(dir.path(), "train.npy", &[3, 2], &[0u16, 511, 2, 3, 4, 65535]);
        assert!(refused().contains("test.npy"), "{}", refused());
        save(dir.path(), "test.npy", &[1, 2], &[7i64, 8]);
        let d = load(&Options::WHOLE).unwrap();
        assert_eq!((d.train.len(), d.validation.len(), d.test.len()), (3, 0, 1));
        assert_eq!(d.sequence, Some(Sequence { frames: 2, stored: Stored::Reals }));
        assert_eq!(d.train.image(0)[..], [0.0f32.to_le_bytes(), 511.0f32.to_le_bytes()].concat());
        assert_eq!(load(&Options { limit: 2, ..Options::WHOLE }).unwrap().train.len(), 2);
        assert!(load(&Options { test: 1, ..Options::WHOLE }).unwrap_err().to_string().contains("must be 0"));
        save(dir.path(), "validation.npy", &[1, 3], &[7i64, 8, 9]);
        assert!(refused().ends_with("has 3 codes an example, and train.npy 2"), "{}", refused());
        save(dir.path(), "validation.npy", &[1, 2], &[0.5f32, 1.0]);
        assert!(refused().ends_with("holds 0.5: codes are whole numbers from 0 to 65535"), "{}", refused());
    }
}

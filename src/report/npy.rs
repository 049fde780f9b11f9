//! Numbers as .npy (NumPy's format).

use crate::values::{Error, Result};
use npyz::{AutoSerialize, DType, TypeChar, WriterBuilder};
use std::path::Path;

/// The bytes of an array of numbers; `path` is for messages.
pub fn npy<T: AutoSerialize>(values: &[T], shape: &[usize], path: &Path) -> Result<Vec<u8>> {
    let shape: Vec<u64> = shape.iter().map(|&d| d as u64).collect();
    let mut bytes = Vec::new();
    let write = |bytes: &mut Vec<u8>| -> std::io::Result<()> {
        let mut w = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(bytes).begin_nd()?;
        w.extend(values.iter())?;
        w.finish()
    };
    write(&mut bytes).map_err(|e| Error::io("cannot write", path, &e))?;
    Ok(bytes)
}

/// The numbers of an array \[n, …\] of any type of integers, from 0 to 2³² − 1, and n.
pub fn whole_numbers(path: &Path) -> Result<(Vec<u32>, usize)> {
    let refuse = |why: &str| Error::usage(format!("{} {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| refuse(&format!("cannot be read: {e}")))?;
    let file = npyz::NpyFile::new(&bytes[..]).map_err(|e| refuse(&format!("is no .npy file: {e}")))?;
    let n = file.shape().first().map_or(1, |&n| n as usize);
    // A header may promise more than the file holds.
    if file.len() > bytes.len() as u64 {
        return Err(refuse("ends before its last number"));
    }
    macro_rules! read {
        ($t:ty) => {
            file.into_vec::<$t>()
                .map_err(|e| refuse(&format!("cannot be read: {e}")))?
                .into_iter()
                .map(|v| u32::try_from(v).ok())
                .collect()
        };
    }
    let kind = match file.dtype() {
        DType::Plain(t) => Some((t.type_char(), t.size_field())),
        _ => None,
    };
    let numbers: Option<Vec<u32>> = match kind {
        Some((TypeChar::Uint, 1)) => read!(u8),
        Some((TypeChar::Uint, 2)) => read!(u16),
        Some((TypeChar::Uint, 4)) => read!(u32),
        Some((TypeChar::Uint, 8)) => read!(u64),
        Some((TypeChar::Int, 1)) => read!(i8),
        Some((TypeChar::Int, 2)) => read!(i16),
        Some((TypeChar::Int, 4)) => read!(i32),
        Some((TypeChar::Int, 8)) => read!(i64),
        _ => None,
    };
    let numbers = numbers.ok_or_else(|| refuse("holds what is no code: codes are whole numbers from 0"))?;
    Ok((numbers, n))
}

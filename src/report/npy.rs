//! Numbers as .npy (NumPy's format).

use crate::values::{Error, Result};
use npyz::WriterBuilder;
use std::path::Path;

/// The bytes of an array of numbers; `path` is for messages.
pub fn npy<T: npyz::AutoSerialize>(values: &[T], shape: &[usize], path: &Path) -> Result<Vec<u8>> {
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

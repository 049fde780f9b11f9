//! A user's file, and what every reader of one needs: its real size, memory for no more than it can hold, and sentences that
//! name it.

use crate::values::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

/// No file may hold more bytes than this, unpacked: 4 GiB.
pub const MAX_BYTES: u64 = 1 << 32;
/// Deflate's highest ratio: 258 bytes from 2 bits, 1032 to 1. No reader takes more than a few times as much memory for a
/// file, of pictures too: the least that a JPEG spends on 64 pixels is 2 bits.
pub const MAX_RATIO: u64 = 1032;

/// An open file.
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes that it really has.
    pub size: u64,
    /// Its bytes.
    pub from: BufReader<File>,
}

impl Source {
    /// Opens a regular file.
    pub fn open(path: &Path) -> Result<Self> {
        let io = |e: std::io::Error| Error::io("cannot read", path, &e);
        // Asked before it is opened: opening a pipe would wait for its writer.
        let meta = std::fs::metadata(path).map_err(io)?;
        if !meta.is_file() {
            return Err(Error::failure(format!("cannot read {}: it is not a regular file", path.display())));
        }
        Ok(Self { path: path.into(), size: meta.len(), from: BufReader::new(File::open(path).map_err(io)?) })
    }

    /// Its bytes, unpacked where they are gzip, and how many there may be at most.
    pub fn unpacked(mut self) -> Result<(Box<dyn BufRead>, u64)> {
        let mut magic = Vec::new();
        let head = self.from.by_ref().take(2).read_to_end(&mut magic).and_then(|_| self.from.rewind());
        head.map_err(|e| Error::io("cannot read", &self.path, &e))?;
        if magic == [0x1f, 0x8b] {
            let most = self.size.saturating_mul(MAX_RATIO).min(MAX_BYTES);
            return Ok((Box::new(BufReader::new(MultiGzDecoder::new(self.from))), most));
        }
        Ok((Box::new(self.from), self.size.min(MAX_BYTES)))
    }
}

/// `PATH text`, as a failure.
pub fn wrong(path: &Path, text: impl std::fmt::Display) -> Error {
    // Text of a library may have lines of its own.
    Error::failure(format!("{} {}", path.display(), text.to_string().replace('\n', " ").trim_end()))
}

/// A vector with room for exactly n, or the sentence that there is none.
pub fn room<T>(path: &Path, n: u64) -> Result<Vec<T>> {
    let mut v = Vec::new();
    let fits = usize::try_from(n).is_ok_and(|n| v.try_reserve_exact(n).is_ok());
    if fits { Ok(v) } else { Err(wrong(path, format!("needs memory for {n} numbers, more than there is"))) }
}

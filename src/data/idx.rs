//! IDX, the format of MNIST: the magic 00 00 08 r, then r big-endian u32 extents, then their product of bytes. Raw or
//! gzipped, told apart by content. A file is untrusted: memory is taken only for what its real size can hold.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::values::{Error, Result};

use super::file::{MAX_BYTES, MAX_RATIO};

/// An array of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// The extents, outermost first; none is 0.
    pub dims: Vec<usize>,
    /// ∏ dims bytes, row-major.
    pub bytes: Vec<u8>,
}

/// The array of `rank` axes (3: grey images, 1: labels) in the file at `path`. Every error names the file, what is
/// wrong with it, and the byte counts.
pub fn read(path: &Path, rank: u8) -> Result<Idx> {
    let io = |e: std::io::Error| Error::io("cannot read", path, &e);
    // Asked before it is opened: opening a pipe would wait for its writer.
    let meta = std::fs::metadata(path).map_err(io)?;
    if !meta.is_file() {
        return Err(Error::failure(format!("cannot read {}: it is not a regular file", path.display())));
    }
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic).map_err(io)?;
    file.rewind().map_err(io)?;
    if magic == [0x1f, 0x8b] {
        Reader { path, size: meta.len(), gzip: true, from: MultiGzDecoder::new(file) }.array(rank)
    } else {
        Reader { path, size: meta.len(), gzip: false, from: file }.array(rank)
    }
}

struct Reader<'a, R> {
    path: &'a Path,
    size: u64,
    gzip: bool,
    from: R,
}

impl<R: Read> Reader<'_, R> {
    fn array(mut self, rank: u8) -> Result<Idx> {
        let header = 4 + 4 * u64::from(rank);
        let mut head = Vec::new();
        self.fill(&mut head, header, header)?;
        let expected = [0, 0, 8, rank];
        if !head.starts_with(&expected[..head.len().min(4)]) {
            let found = &head[..head.len().min(4)];
            return Err(self.wrong(format!(
                "is no IDX file of bytes with {rank} {}: it begins with {}, not {}",
                if rank == 1 { "axis" } else { "axes" },
                hex(found),
                hex(&expected)
            )));
        }
        self.complete(&head, header, "its IDX header")?;
        let extent = |c: &[u8]| c.iter().fold(0u64, |v, &b| v << 8 | u64::from(b));
        let dims: Vec<u64> = head[4..].chunks(4).map(extent).collect();
        let body = self.budget(&dims, header)?;

        let mut bytes = Vec::new();
        // Exact: what `budget` let pass, and an error, not an abort, where even that is too much.
        bytes
            .try_reserve_exact(body as usize)
            .map_err(|_| self.wrong(format!("needs {body} bytes of memory, more than there are")))?;
        let total = header + body;
        self.fill(&mut bytes, body, total)?;
        self.complete(&bytes, body, &format!("the {} that its header declares", product(&dims)))?;
        self.end(total)?;
        Ok(Idx { dims: dims.iter().map(|&d| d as usize).collect(), bytes })
    }

    /// ∏ dims, if the file's real size can hold it.
    fn budget(&self, dims: &[u64], header: u64) -> Result<u64> {
        if dims.contains(&0) {
            return Err(self.wrong(format!("holds nothing: its header declares {}", product(dims))));
        }
        let body = dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_BYTES - header);
        let Some(body) = body else {
            return Err(self.wrong(format!(
                "declares {} bytes, above the {MAX_BYTES} that one file may hold (the file has {})",
                product(dims),
                self.size
            )));
        };
        let total = header + body;
        if self.gzip && total > self.size.saturating_mul(MAX_RATIO) {
            return Err(self.wrong(format!(
                "declares {} = {body} bytes, but its {} bytes of gzip cannot unpack to more than {}",
                product(dims),
                self.size,
                self.size.saturating_mul(MAX_RATIO)
            )));
        }
        if !self.gzip && total > self.size {
            return Err(self.wrong(format!(
                "is cut off: it holds {} bytes of the {total} that its header declares ({header} + {})",
                self.size,
                product(dims)
            )));
        }
        Ok(body)
    }

    /// Appends up to `n` bytes; fewer only at the end. `total` is for the error: what all of the file should hold.
    fn fill(&mut self, to: &mut Vec<u8>, n: u64, total: u64) -> Result<()> {
        let done = self.from.by_ref().take(n).read_to_end(to);
        done.map(|_| ()).map_err(|e| self.failed(&e, total - n + to.len() as u64, total))
    }

    fn complete(&self, got: &[u8], n: u64, what: &str) -> Result<()> {
        if got.len() as u64 == n {
            return Ok(());
        }
        Err(self.wrong(format!("is cut off: it {} {} bytes of {n} of {what}", self.verb(), got.len())))
    }

    /// Nothing may follow; for gzip, reaching the end is also what checks its checksum.
    fn end(&mut self, total: u64) -> Result<()> {
        let mut one = Vec::new();
        let done = self.from.by_ref().take(1).read_to_end(&mut one);
        done.map_err(|e| self.failed(&e, total, total))?;
        if one.is_empty() {
            return Ok(());
        }
        Err(self.wrong(if self.gzip {
            format!("unpacks beyond the {total} bytes that its header declares")
        } else {
            format!("holds {} bytes, more than the {total} that its header declares", self.size.max(total + 1))
        }))
    }

    fn failed(&self, e: &std::io::Error, at: u64, total: u64) -> Error {
        match (self.gzip, e.kind()) {
            (true, ErrorKind::UnexpectedEof) => {
                self.wrong(format!("is cut off: its gzip data ({} bytes) end after {at} bytes of {total}", self.size))
            }
            (true, ErrorKind::InvalidInput | ErrorKind::InvalidData) => self.wrong(format!(
                "is damaged: its gzip data ({} bytes) unpack to {at} bytes of {total}, then: {e}",
                self.size
            )),
            _ => Error::io("cannot read", self.path, e),
        }
    }

    fn wrong(&self, text: String) -> Error {
        Error::failure(format!("{} {text}", self.path.display()))
    }

    fn verb(&self) -> &'static str {
        if self.gzip { "unpacks to" } else { "holds" }
    }
}

fn product(dims: &[u64]) -> String {
    dims.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}

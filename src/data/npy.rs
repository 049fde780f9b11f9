//! Arrays of NumPy, .npy: what a header declares is read only where the bytes that follow can hold it.

use super::dataset::{Sequence, Split, Stored};
use super::file::{MAX_BYTES, Source, room, wrong};
use super::levels;
use crate::values::Result;
use npyz::{DType, Deserialize, NpyFile, NpyHeader, Order};
use std::io::Read;
use std::path::Path;

/// No header of an array of numbers is longer.
const HEADER: usize = 1024;

/// An array of numbers.
pub struct Array {
    /// The extents, outermost first; none is 0.
    pub shape: Vec<usize>,
    values: Values,
}

/// \[height, width, channels\] of a frame, and how the examples are sequences.
pub type Frames = ([usize; 3], Sequence);

enum Values {
    Bytes(Vec<u8>),
    Reals(Vec<f32>),
}

/// The shape of an image, and the images of the file at `path`.
pub fn split(path: &Path) -> Result<([usize; 3], Split)> {
    let (shape, bytes) = open(path)?.images(path)?;
    Ok((shape, Split::stored(bytes, vec![], shape.iter().product())))
}

/// The array in the file at `path`.
pub fn open(path: &Path) -> Result<Array> {
    let Source { size, from, .. } = Source::open(path)?;
    parse(from, size, path)
}

/// The array that `from` gives, which has at most `most` bytes; `path` is for messages.
pub fn parse(mut from: impl Read, most: u64, path: &Path) -> Result<Array> {
    let no = |text: String| wrong(path, format!("is no array of numbers: {text}"));
    let fixed = header(&mut from).map_err(no)?;
    let DType::Plain(kind) = fixed.dtype() else { return Err(no("it holds records or objects".into())) };
    let kind = kind.to_string();
    let (extents, order) = (fixed.shape().to_vec(), fixed.order());
    let Some(n) = extents.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).filter(|n| *n <= MAX_BYTES) else {
        return Err(wrong(
            path,
            format!("declares {} numbers, above the {MAX_BYTES} that one file may hold", shown(&extents)),
        ));
    };
    let bytes = match &kind[1..] {
        "u1" | "i1" | "b1" => 1,
        "u2" | "i2" => 2,
        "u4" | "i4" | "f4" => 4,
        "u8" | "i8" | "f8" => 8,
        _ => {
            return Err(no(format!(
                "its numbers are of the type {kind}, not integers, floats of 32 or 64 bits, or bools"
            )));
        }
    };
    if n == 0 {
        return Err(wrong(path, format!("holds nothing: its header declares {}", shown(&extents))));
    }
    if order == Order::Fortran && extents.len() > 1 {
        return Err(wrong(path, "has its first index varying fastest: save it with numpy.ascontiguousarray"));
    }
    if n.saturating_mul(bytes) > most {
        return Err(wrong(
            path,
            format!("declares {} numbers of {bytes} bytes, and can hold {most} bytes", shown(&extents)),
        ));
    }
    let shape = extents.iter().map(|&d| d as usize).collect();
    let values = match &kind[1..] {
        "u1" | "b1" => Values::Bytes(exactly(&mut from, n, path)?),
        "i1" => Values::Reals(reals::<i8>(fixed, &mut from, n, path, f32::from)?),
        "u2" => Values::Reals(reals::<u16>(fixed, &mut from, n, path, f32::from)?),
        "i2" => Values::Reals(reals::<i16>(fixed, &mut from, n, path, f32::from)?),
        "u4" => Values::Reals(reals::<u32>(fixed, &mut from, n, path, |v| v as f32)?),
        "i4" => Values::Reals(reals::<i32>(fixed, &mut from, n, path, |v| v as f32)?),
        "u8" => Values::Reals(reals::<u64>(fixed, &mut from, n, path, |v| v as f32)?),
        "i8" => Values::Reals(reals::<i64>(fixed, &mut from, n, path, |v| v as f32)?),
        "f4" => Values::Reals(reals::<f32>(fixed, &mut from, n, path, |v| v)?),
        _ => Values::Reals(reals::<f64>(fixed, &mut from, n, path, |v| v as f32)?),
    };
    // Reaching the end is also what checks the checksum of an array in an archive.
    let mut one = Vec::new();
    from.take(1).read_to_end(&mut one).map_err(|e| wrong(path, format!("is damaged: {e}")))?;
    if !one.is_empty() {
        return Err(wrong(path, format!("holds more than the {} numbers that its header declares", shown(&extents))));
    }
    Ok(Array { shape, values })
}

/// The header. What parses its bytes takes memory for whatever length it states, and descends into every bracket.
pub(super) fn header(from: &mut impl Read) -> std::result::Result<NpyHeader, String> {
    let take = |from: &mut dyn Read, n: usize, head: &mut Vec<u8>| match from.take(n as u64).read_to_end(head) {
        Ok(got) if got == n => Ok(()),
        Ok(_) => Err("it ends within its header".to_string()),
        Err(e) => Err(e.to_string()),
    };
    let mut head = Vec::new();
    take(from, 8, &mut head)?;
    if !head.starts_with(b"\x93NUMPY") {
        return Err("it does not begin with 93 NUMPY".into());
    }
    let extent = if head[6] == 1 { 2 } else { 4 };
    take(from, extent, &mut head)?;
    let length = head[8..].iter().rev().fold(0, |n, &b| n << 8 | usize::from(b));
    if length > HEADER {
        return Err(format!("its header has {length} bytes, more than {HEADER}"));
    }
    take(from, length, &mut head)?;
    if head.iter().filter(|b| b"([{".contains(b)).count() > 8 {
        return Err("its header is no description of an array".into());
    }
    NpyHeader::from_reader(&head[..]).map_err(|e| e.to_string())
}

fn exactly(from: &mut impl Read, n: u64, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = room(path, n)?;
    let read = from.take(n).read_to_end(&mut bytes);
    read.map_err(|e| wrong(path, format!("is damaged: {e}")))?;
    if bytes.len() as u64 == n { Ok(bytes) } else { Err(cut_off(path, bytes.len(), n)) }
}

fn reals<T: Deserialize>(
    head: NpyHeader,
    from: &mut impl Read,
    n: u64,
    path: &Path,
    f: impl Fn(T) -> f32,
) -> Result<Vec<f32>> {
    let mut values = room(path, n)?;
    let numbers = NpyFile::with_header(head, from)
        .data::<T>()
        .map_err(|e| wrong(path, format!("is no array of numbers: {e}")))?;
    for v in numbers {
        match v {
            Ok(v) => values.push(f(v)),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Err(cut_off(path, values.len(), n)),
            Err(e) => return Err(wrong(path, format!("is damaged: {e}"))),
        }
    }
    Ok(values)
}

fn cut_off(path: &Path, got: usize, n: u64) -> crate::values::Error {
    wrong(path, format!("is cut off: it holds {got} of the {n} numbers that its header declares"))
}

fn shown(shape: &[u64]) -> String {
    shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ")
}

impl Array {
    /// \[height, width, channels\] and the bytes of its images: \[n, features\], \[n, height, width\] or \[n, height, width,
    /// 1 or 3\]. `path` is for messages.
    pub fn images(self, path: &Path) -> Result<([usize; 3], Vec<u8>)> {
        let shape = match self.shape[..] {
            [_, features] => levels::shape(features),
            [_, h, w] => [h, w, 1],
            [_, h, w, c @ (1 | 3)] => [h, w, c],
            _ => {
                let shape: Vec<u64> = self.shape.iter().map(|&d| d as u64).collect();
                let what = "images are [n, features], [n, height, width] or [n, height, width, 3]";
                return Err(wrong(path, format!("holds {} numbers: {what}", shown(&shape))));
            }
        };
        let bytes = match self.values {
            Values::Bytes(mut bytes) => {
                levels::of_bytes(&mut bytes);
                bytes
            }
            Values::Reals(values) => levels::of_reals(&values).map_err(|e| wrong(path, e))?,
        };
        Ok((shape, bytes))
    }

    /// \[height, width, channels\] of a frame, how the examples are sequences, and their bytes: \[n, time\], \[n, time,
    /// features\], \[n, time, height, width\], or with channels last. Bytes are grey levels, all else finite reals, which are
    /// f32, little-endian. `path` is for messages.
    pub fn sequences(self, path: &Path) -> Result<(Frames, Vec<u8>)> {
        let (frames, shape) = match self.shape[..] {
            [_, time] => (time, [1, 1, 1]),
            [_, time, features] => (time, [1, features, 1]),
            [_, time, h, w] => (time, [h, w, 1]),
            [_, time, h, w, c] => (time, [h, w, c]),
            _ => {
                let axes = self.shape.len();
                let what = "sequences have 2 to 5, examples, time and those of a frame";
                return Err(wrong(path, format!("has {axes} axes: {what}")));
            }
        };
        let (stored, bytes) = match self.values {
            Values::Bytes(mut bytes) => {
                levels::of_bytes(&mut bytes);
                (Stored::Bytes, bytes)
            }
            Values::Reals(v) => {
                if let Some(i) = v.iter().position(|x| !x.is_finite()) {
                    let text = format!("holds {} at number {i}: sequences are of finite numbers", v[i]);
                    return Err(wrong(path, text));
                }
                (Stored::Reals, v.into_iter().flat_map(f32::to_le_bytes).collect())
            }
        };
        Ok(((shape, Sequence { frames, stored }), bytes))
    }

    /// Its numbers, row by row.
    pub fn numbers(self) -> Vec<f32> {
        match self.values {
            Values::Bytes(bytes) => bytes.into_iter().map(f32::from).collect(),
            Values::Reals(values) => values,
        }
    }
}

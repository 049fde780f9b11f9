//! Shipped pictures in colour: PNG of 8 bits, red, green and blue.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::values::{Error, Result};

/// (\[height, width\], their bytes, three a pixel) of a picture of at least `least` pixels along both.
pub fn read(path: &Path, least: usize) -> Result<([usize; 2], Vec<u8>)> {
    let wrong = |why: String| Error::failure(format!("cannot read {}: {why}", path.display()));
    let file = File::open(path).map_err(|e| Error::io("cannot read", path, &e))?;
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().map_err(|e| wrong(e.to_string()))?;
    let size = reader.output_buffer_size().ok_or_else(|| wrong("it is larger than memory".into()))?;
    let mut bytes = vec![0; size];
    let info = reader.next_frame(&mut bytes).map_err(|e| wrong(e.to_string()))?;
    if (info.color_type, info.bit_depth) != (png::ColorType::Rgb, png::BitDepth::Eight) {
        return Err(wrong("it is no picture of 8 bits a colour, without transparency".into()));
    }
    let extent = [info.height as usize, info.width as usize];
    if extent.iter().any(|&n| n < least) {
        return Err(wrong(format!("its {} × {} pixels are fewer than {least} × {least}", extent[0], extent[1])));
    }
    bytes.truncate(info.buffer_size());
    Ok((extent, bytes))
}

/// The square of `side` pixels that begins at (row, column).
pub fn cut(bytes: &[u8], [_, width]: [usize; 2], [row, column]: [usize; 2], side: usize) -> Vec<u8> {
    (row..row + side).flat_map(|y| &bytes[(y * width + column) * 3..][..side * 3]).copied().collect()
}

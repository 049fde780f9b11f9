//! Pictures that move, as GIF, which every browser and viewer plays.

use super::grid::{Sheet, sheet};
use crate::values::{Error, Result};
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbaImage};

/// How coarsely colours are searched, 1 to 30: pictures of a few hundred colours need no more.
const SPEED: i32 = 10;
/// Milliseconds of a frame.
const FRAME_MS: u32 = 80;

/// The bytes of a GIF that plays for ever: frame i is the grid of `frames[i]`, pictures of that shape, `columns` a row.
pub fn gif(frames: &[Vec<f32>], shape: [usize; 3], columns: usize) -> Result<Vec<u8>> {
    let sheets: Vec<Sheet> = frames.iter().map(|f| sheet(f, shape, columns)).collect::<Result<_>>()?;
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, SPEED);
    let drawn = encoder.set_repeat(Repeat::Infinite).and_then(|()| {
        sheets.iter().try_for_each(|s| {
            let rgba = |p: &[u8]| [p[0], p[p.len() / 2], p[p.len() - 1], 255];
            let pixels = s.pixels.chunks_exact(s.channels).flat_map(rgba).collect();
            let image = RgbaImage::from_raw(s.width as u32, s.height as u32, pixels).unwrap_or_default();
            encoder.encode_frame(Frame::from_parts(image, 0, 0, Delay::from_numer_denom_ms(FRAME_MS, 1)))
        })
    });
    drop(encoder);
    drawn.map_err(|e| Error::failure(format!("a GIF cannot be made: {e}")))?;
    Ok(bytes)
}

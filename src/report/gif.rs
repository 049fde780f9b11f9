//! Pictures that move, as GIF, which every browser and viewer plays.

use super::grid::{Sheet, sheet};
use crate::values::{Error, Result};
use gif::{Encoder, EncodingError, Frame, Repeat};

/// How coarsely colours are searched, 1 to 30: pictures of a few hundred colours need no more.
const SPEED: i32 = 10;
/// Hundredths of a second of a frame.
const DELAY: u16 = 8;

/// The bytes of a GIF that plays for ever: frame i is the grid of `frames[i]`, pictures of that shape, `columns` a row.
pub fn gif(frames: &[Vec<f32>], shape: [usize; 3], columns: usize) -> Result<Vec<u8>> {
    let sheets: Vec<Sheet> = frames.iter().map(|f| sheet(f, shape, columns)).collect::<Result<_>>()?;
    encoded(&sheets).map_err(|e| Error::failure(format!("a GIF cannot be made: {e}")))
}

fn encoded(sheets: &[Sheet]) -> std::result::Result<Vec<u8>, EncodingError> {
    let mut bytes = Vec::new();
    let [width, height] = sheets.first().map_or([0; 2], |s| [s.width, s.height].map(|v| v.min(0xffff) as u16));
    // Greys are the palette of all frames, and exact; of colours each frame has the 256 that suit it.
    let greys: Vec<u8> = (0..=255).flat_map(|v| [v; 3]).collect();
    let grey = sheets.iter().all(|s| s.channels == 1);
    let mut encoder = Encoder::new(&mut bytes, width, height, if grey { &greys } else { &[] })?;
    encoder.set_repeat(Repeat::Infinite)?;
    for s in sheets {
        let mut frame = match s.channels {
            1 => Frame { width, height, buffer: s.pixels.as_slice().into(), ..Frame::default() },
            _ => Frame::from_rgb_speed(width, height, &s.pixels, SPEED),
        };
        frame.delay = DELAY;
        encoder.write_frame(&frame)?;
    }
    drop(encoder);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read again: as many frames, and of greys each exactly.
    #[test]
    fn greys_are_exact_and_colours_near() {
        let ramp: Vec<f32> = (0..64).map(|i| i as f32 / 63.0).collect();
        let turned: Vec<f32> = ramp.iter().rev().copied().collect();
        let shapes = [([8, 8, 1], 0), ([4, 4, 3], 40)];
        for (shape, allowed) in shapes {
            let frames = [&ramp, &turned].map(|f| f[..shape.iter().product()].to_vec());
            let bytes = gif(&frames, shape, 1).unwrap();
            let mut options = ::gif::DecodeOptions::new();
            options.set_color_output(::gif::ColorOutput::RGBA);
            let mut decoder = options.read_info(bytes.as_slice()).unwrap();
            for frame in frames {
                let want = sheet(&frame, shape, 1).unwrap();
                let seen = decoder.read_next_frame().unwrap().expect("a frame");
                assert_eq!((seen.width as usize, seen.height as usize, seen.delay), (want.width, want.height, DELAY));
                for (p, q) in seen.buffer.chunks(4).zip(want.pixels.chunks(want.channels)) {
                    let near = |c: usize| p[c].abs_diff(q[c.min(q.len() - 1)]) <= allowed;
                    assert!((0..3).all(near), "{p:?} {q:?}");
                }
            }
            assert!(decoder.read_next_frame().unwrap().is_none());
        }
    }
}

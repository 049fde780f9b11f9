//! Pictures in a grid, grey or in colour, as PNG.

use crate::values::{Error, Result};

/// Screen pixels a pixel: 28×28 digits are too small to judge.
const SCALE: usize = 2;
/// Screen pixels between pictures.
const GAP: usize = 2;
/// The grey of the gaps.
const GROUND: u8 = 64;

/// Pixels of a picture, row-major.
pub struct Sheet {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes a pixel: 1 is grey, 3 are red, green and blue.
    pub channels: usize,
    /// height·width·channels bytes.
    pub pixels: Vec<u8>,
}

/// Pictures of shape \[height, width, channels\], values in \[0, 1\], in a grid of `columns` a row: grey with 1 channel, in
/// colour with 3; others are refused.
pub fn sheet(pictures: &[f32], shape: [usize; 3], columns: usize) -> Result<Sheet> {
    let [height, width, channels] = shape;
    if ![1, 3].contains(&channels) {
        let text = format!("a picture has 1 channel or 3, not {channels}: there is nothing to draw");
        return Err(Error::failure(text));
    }
    let n = pictures.len() / (height * width * channels);
    let (columns, rows) = (columns.min(n), n.div_ceil(columns));
    let (cell_h, cell_w) = (height * SCALE + GAP, width * SCALE + GAP);
    let (h, w) = (rows * cell_h + GAP, columns * cell_w + GAP);
    let mut pixels = vec![GROUND; h * w * channels];
    for (i, picture) in pictures.chunks_exact(height * width * channels).enumerate() {
        let (top, left) = (i / columns * cell_h + GAP, i % columns * cell_w + GAP);
        for y in 0..height * SCALE {
            for x in 0..width * SCALE {
                let from = &picture[(y / SCALE * width + x / SCALE) * channels..][..channels];
                let to = &mut pixels[((top + y) * w + left + x) * channels..][..channels];
                to.iter_mut().zip(from).for_each(|(to, v)| *to = (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8);
            }
        }
    }
    Ok(Sheet { width: w, height: h, channels, pixels })
}

impl Sheet {
    /// The bytes of a PNG.
    pub fn png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(if self.channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
        encoder.set_depth(png::BitDepth::Eight);
        let encoded = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&self.pixels)?;
            writer.finish()
        });
        encoded.map_err(|e| Error::failure(format!("a PNG cannot be made: {e}")))?;
        Ok(bytes)
    }
}

/// Rows of pictures, each above the row of what a model made of them; a last row that is not full is filled with black.
pub fn pairs(above: &[f32], below: &[f32], shape: [usize; 3], columns: usize) -> Result<Sheet> {
    let picture = shape.iter().product();
    sheet(&alternating(above, below, picture, columns), shape, columns.min(above.len() / picture))
}

fn alternating(above: &[f32], below: &[f32], picture: usize, columns: usize) -> Vec<f32> {
    let row = columns.min(above.len() / picture) * picture;
    let mut all = Vec::with_capacity(2 * above.len() + 2 * row);
    for (a, b) in above.chunks(row).zip(below.chunks(row)) {
        for half in [a, b] {
            all.extend(half);
            all.resize(all.len() + row - half.len(), 0.0);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_not_full_stays_below_its_own() {
        let (x, y) = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]);
        assert_eq!(alternating(&x, &y, 1, 2), [1.0, 2.0, 4.0, 5.0, 3.0, 0.0, 6.0, 0.0]);
        assert_eq!(alternating(&x, &y, 1, 10), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn a_picture_keeps_its_colours_and_its_place() {
        // Two pictures of 1 × 2 pixels: red, green; blue, and what is beyond the scale.
        let pictures = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, -1.0, 0.5, 2.0];
        let bytes = sheet(&pictures, [1, 2, 3], 1).unwrap().png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (8, 10, png::ColorType::Rgb));
        let at = |x: usize, y: usize| <[u8; 3]>::try_from(&pixels[3 * (8 * y + x)..][..3]).unwrap();
        let (red, green, blue) = ([255, 0, 0], [0, 255, 0], [0, 0, 255]);
        assert_eq!(
            [at(2, 2), at(3, 3), at(4, 2), at(5, 3), at(2, 6), at(4, 7)],
            [red, red, green, green, blue, [0, 128, 255]]
        );
        assert_eq!([at(1, 2), at(6, 2), at(2, 4), at(2, 8)], [[GROUND; 3]; 4]);
        let refused = sheet(&pictures, [1, 2, 2], 1).err().unwrap().to_string();
        assert!(refused.contains("1 channel or 3, not 2"), "{refused}");
    }
}

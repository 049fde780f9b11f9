//! Grey pictures in a grid, as PNG.

use crate::values::{Error, Result};

/// Screen pixels a pixel: 28×28 digits are too small to judge.
const SCALE: usize = 2;
/// Screen pixels between pictures.
const GAP: usize = 2;
/// The grey of the gaps.
const GROUND: u8 = 64;

/// Grey pixels, row-major.
pub struct Sheet {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// height·width bytes.
    pub pixels: Vec<u8>,
}

/// Pictures of (height, width), values in [0, 1], in a grid of `columns` a row.
pub fn sheet(pictures: &[f32], (height, width): (usize, usize), columns: usize) -> Sheet {
    let n = pictures.len() / (height * width);
    let (columns, rows) = (columns.min(n), n.div_ceil(columns));
    let (cell_h, cell_w) = (height * SCALE + GAP, width * SCALE + GAP);
    let (h, w) = (rows * cell_h + GAP, columns * cell_w + GAP);
    let mut pixels = vec![GROUND; h * w];
    for (i, picture) in pictures.chunks_exact(height * width).enumerate() {
        let (top, left) = (i / columns * cell_h + GAP, i % columns * cell_w + GAP);
        for y in 0..height * SCALE {
            for x in 0..width * SCALE {
                let v = picture[y / SCALE * width + x / SCALE];
                pixels[(top + y) * w + left + x] = (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
            }
        }
    }
    Sheet { width: w, height: h, pixels }
}

impl Sheet {
    /// The bytes of a PNG.
    pub fn png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Grayscale);
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
pub fn pairs(above: &[f32], below: &[f32], size: (usize, usize), columns: usize) -> Sheet {
    sheet(&alternating(above, below, size.0 * size.1, columns), size, columns.min(above.len() / (size.0 * size.1)))
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
    use super::alternating;

    #[test]
    fn a_row_that_is_not_full_stays_below_its_own() {
        let (x, y) = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]);
        assert_eq!(alternating(&x, &y, 1, 2), [1.0, 2.0, 4.0, 5.0, 3.0, 0.0, 6.0, 0.0]);
        assert_eq!(alternating(&x, &y, 1, 10), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
}

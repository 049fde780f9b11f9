//! x\[b, j\] = pixel j of picture order\[first + b\] of the grid of sprites, 0 or 1; x: \[batch, 64·64\]. Twin of
//! shaders/sprites.wgsl.
//!
//! A pixel is lit where at least [`LIT`] of its 8 × 8 samples are inside the shape, 0.91 of its area. In the 320 frames that
//! show dSprites (Matthey et al. 2017), 598 pixels differ, of 77,010 that are lit; none of a square that is not turned. All of it is decided in integers.

use super::outlines::{BINS, COUNT, EDGES, FINER, REACHES, SIDE, STEPS, TURN, UNITS, WORDS, classes, index, table};
use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Work, params, words};
use crate::values::Real;
use std::ops::Range;

/// Pixels of a picture.
pub const PIXELS: usize = SIDE * SIDE;
/// Samples that are inside of the shape where a pixel is lit, of 64.
pub const LIT: u32 = 59;
/// Half the diagonal of a pixel, in units, rounded up.
const HALF_DIAGONAL: i32 = 351;

params! {
    /// Uniform of shaders/sprites.wgsl.
    SpritesParams {
        /// Pictures.
        batch: u32,
    }
}

/// A picture that is about to be drawn.
struct Sprite<'t> {
    table: &'t [u32],
    cos: i32,
    sin: i32,
    /// Where the edges of its shape begin.
    edges: usize,
    /// Tenths of the full size.
    scale: i32,
    /// The centre, in units.
    x: i32,
    y: i32,
    /// A pixel whose centre is nearer is lit, one that is farther is not, in units.
    near: i32,
    far: i32,
}

impl<'t> Sprite<'t> {
    fn new(table: &'t [u32], index: u32) -> Self {
        let [_, shape, scale, orientation, x, y] = classes(index).map(|c| c as usize);
        let word = |i: usize| table[i] as i32;
        let scale = 5 + scale as i32;
        let place = |p: usize| 16 * UNITS + 32 * 16 * p as i32;
        Self {
            table,
            cos: word(2 * orientation),
            sin: word(2 * orientation + 1),
            edges: EDGES + 3 * BINS * shape,
            scale,
            x: place(x),
            y: place(y),
            near: word(REACHES + 2 * shape) * scale / 10 - HALF_DIAGONAL,
            far: (word(REACHES + 2 * shape + 1) * scale + 9) / 10 + HALF_DIAGONAL,
        }
    }

    /// How many of a pixel's samples are inside.
    fn coverage(&self, row: i32, column: i32) -> u32 {
        let mut inside = 0;
        for i in 0..64 {
            let x = (16 * column + 2 * (i % 8) + 1) * 31 - self.x;
            let y = (16 * row + 2 * (i / 8) + 1) * 31 - self.y;
            let turned = |v: i32| (v + TURN / FINER / 2) / (TURN / FINER);
            let (u, v) = (turned((self.cos * x - self.sin * y).abs()), self.sin * x + self.cos * y);
            let (v, down) = (turned(v.abs()), v >= 0);
            let ratio = (u.min(v) * STEPS as i32 / u.max(v).max(1)).min(STEPS as i32 - 1);
            let bin = (2 * usize::from(down) + usize::from(u > v)) * STEPS + ratio as usize;
            let edge = &self.table[self.edges + 3 * bin..][..3];
            let [a, b, h] = [edge[0], edge[1], edge[2]].map(|w| w as i32);
            let v = if down { v } else { -v };
            inside += u32::from(10 * (a * u + b * v) <= h * self.scale);
        }
        inside
    }

    fn lit(&self, row: i32, column: i32) -> bool {
        let (x, y) = ((16 * column + 8) * 31 - self.x, (16 * row + 8) * 31 - self.y);
        let distance = x * x + y * y;
        distance <= self.near * self.near || distance <= self.far * self.far && self.coverage(row, column) >= LIT
    }
}

/// Draws picture `index`, row after row: `light` is called with each pixel that is lit.
fn draw(table: &[u32], index: u32, mut light: impl FnMut(usize)) {
    let s = Sprite::new(table, index);
    let span = |centre: i32| (centre - s.far).div_euclid(UNITS)..(centre + s.far).div_euclid(UNITS) + 1;
    for row in span(s.y) {
        for column in span(s.x).filter(|&column| s.lit(row, column)) {
            light(row as usize * SIDE + column as usize);
        }
    }
}

/// Picture `index` of the grid, a byte a pixel, 0 or 255.
pub fn picture(index: u32) -> Vec<u8> {
    let mut bytes = vec![0; PIXELS];
    draw(table(), index, |pixel| bytes[pixel] = u8::MAX);
    bytes
}

/// See the module.
pub struct Sprites;

impl Twin for Sprites {
    const NAME: &'static str = "sprites";
    const WGSL: &'static str = include_str!("../../shaders/sprites.wgsl");
    const OVERRIDES: &'static [&'static str] = &["WG"];
    type Params = SpritesParams;

    fn work(c: &Consts, p: &SpritesParams) -> Work {
        let pixels = u64::from(p.batch) * PIXELS as u64;
        Work {
            items: p.batch as usize,
            chunk: 4,
            strides: [PIXELS; MAX_OUTS],
            workgroups: pixels.div_ceil(u64::from(c[0])),
            // The samples of a pixel.
            loop_bound: 64,
            flops: pixels,
        }
    }

    fn reads(_: &Consts, p: &SpritesParams) -> Vec<usize> {
        vec![WORDS, p.batch as usize]
    }

    fn describe(_: &Consts, _: &SpritesParams) -> String {
        String::new()
    }

    fn run<R: Real>(
        _: &Consts,
        _: &SpritesParams,
        s: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let (table, order, x) = (ins[0].u(), ins[1].u(), outs[0].f());
        for (b, x) in items.zip(x.chunks_exact_mut(PIXELS)) {
            x.fill(R::indicator(false));
            draw(table, order[s.first as usize + b], |pixel| x[pixel] = R::indicator(true));
        }
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, order: Vec<u32>, first: usize, wg: u32| {
            let batch = order.len() - first;
            let p = SpritesParams { batch: batch as u32 };
            let ins = vec![table().to_vec().into(), order.into()];
            let mut case = Case::new(name, &[wg], p, ins, &[batch * PIXELS]).exact();
            case.step.first = first as u32;
            case
        };
        let corners = [0, 31].map(|x| [0, 31].map(|y| index([0, 1, 5, 7, x, y]))).concat();
        let each = (0..3).flat_map(|shape| (0..6).map(move |scale| index([0, shape, scale, 3 + 5 * scale, 15, 9])));
        let some = |n: usize| words(n, 3).iter().map(|w| w % COUNT as u32).collect::<Vec<u32>>();
        vec![
            case("one", vec![0], 0, 64),
            case("the corners", corners, 0, 64),
            case("every shape at every scale", each.collect(), 0, 64).again(),
            case("a turn", (0..40).map(|turn| index([0, 2, 4, turn, 16, 16])).collect(), 0, 64),
            case("a batch within the order", some(30), 11, 96),
            // Past the fold of the grid: an invocation a workgroup.
            case("seventeen", some(17), 0, 1),
        ]
    }

    fn timed() -> Vec<Case> {
        let order = words(128, 3).iter().map(|w| w % COUNT as u32).collect::<Vec<u32>>();
        let ins = vec![table().to_vec().into(), order.into()];
        vec![Case::new("[128,4096]", &[64], SpritesParams { batch: 128 }, ins, &[128 * PIXELS]).exact()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_sampled_would_be_drawn_the_same() {
        let table = table();
        let every = |shape| (0..6).map(move |scale| index([0, shape, scale, 11 * scale % 40, 3 * scale, 31 - scale]));
        for place in (0..3).flat_map(every) {
            let s = Sprite::new(table, place);
            let drawn = picture(place);
            for (pixel, byte) in drawn.iter().enumerate() {
                let (row, column) = ((pixel / SIDE) as i32, (pixel % SIDE) as i32);
                let away = |centre: i32, at: i32| (centre / UNITS - at).abs() > 16;
                // So far away the products of a sample would overflow.
                let inside = if away(s.y, row) || away(s.x, column) { 0 } else { s.coverage(row, column) };
                assert_eq!(*byte == 255, inside >= LIT, "picture {place}, pixel {pixel}: {inside} samples");
            }
        }
    }
}

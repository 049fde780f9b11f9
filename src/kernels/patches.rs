//! Images x: \[images, h, w, c\] and their patches u: \[images, oh, ow, kh, kw, c\]. Unfold:
//! u\[b, oy, ox, ky, kx, c\] = x\[b, oy·sy + ky − py, ox·sx + kx − px, c\], 0 where x has no such pixel; fold, its adjoint:
//! each pixel is the sum of what the patches have of it. Twin of shaders/patches.wgsl.

use super::{Case, Consts, In, MAX_OUTS, Out, StepRow, Twin, Values, Work, params, values};
use crate::values::Real;
use std::ops::Range;

/// The directions; the discriminant is the override `OP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Op {
    /// Images to patches.
    Unfold,
    /// Patches to images.
    Fold,
}

impl Op {
    /// Both, by their override values.
    pub const ALL: [Op; 2] = [Op::Unfold, Op::Fold];
}

params! {
    /// Uniform of shaders/patches.wgsl.
    PatchesParams {
        /// Elements of the result.
        n: u32,
        /// Rows of an image.
        h: u32,
        /// Columns of an image.
        w: u32,
        /// Channels.
        c: u32,
        /// Rows of patches.
        oh: u32,
        /// Columns of patches.
        ow: u32,
        /// Rows of a patch.
        kh: u32,
        /// Columns of a patch.
        kw: u32,
        /// Rows from patch to patch.
        sy: u32,
        /// Columns from patch to patch.
        sx: u32,
        /// Rows of the first patch that are above the image.
        py: u32,
        /// Columns of the first patch that are left of the image.
        px: u32,
    }
}

/// The extents of [`PatchesParams`] as indices.
struct Extents {
    image: [usize; 2],
    patches: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    before: [usize; 2],
    channels: usize,
}

impl Extents {
    fn of(p: &PatchesParams) -> Self {
        let two = |y: u32, x: u32| [y as usize, x as usize];
        Self {
            image: two(p.h, p.w),
            patches: two(p.oh, p.ow),
            kernel: two(p.kh, p.kw),
            stride: two(p.sy, p.sx),
            before: two(p.py, p.px),
            channels: p.c as usize,
        }
    }

    /// Elements of an item: the patch, or the pixel.
    fn item(&self, op: Op) -> usize {
        match op {
            Op::Unfold => self.kernel[0] * self.kernel[1] * self.channels,
            Op::Fold => self.channels,
        }
    }

    /// Elements of all images, and of their patches, of which there are as many as make the n elements of a result.
    fn lengths(&self, op: Op, n: usize) -> (usize, usize) {
        let image = self.image[0] * self.image[1] * self.item(Op::Fold);
        let patches = self.patches[0] * self.patches[1] * self.item(Op::Unfold);
        let images = n / if op == Op::Unfold { patches } else { image };
        (images * image, images * patches)
    }

    /// Of an axis, the patches that have the place `a`, counted from the first tap of the first.
    fn having(&self, axis: usize, a: usize) -> Range<usize> {
        let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
        let first = if a < kernel { 0 } else { (a - kernel) / stride + 1 };
        first..(a / stride + 1).min(self.patches[axis])
    }
}

/// See the module.
pub struct Patches;

impl Twin for Patches {
    const NAME: &'static str = "patches";
    const WGSL: &'static str = include_str!("../../shaders/patches.wgsl");
    const OVERRIDES: &'static [&'static str] = &["OP", "WG"];
    type Params = PatchesParams;

    fn work(c: &Consts, p: &PatchesParams) -> Work {
        let (op, e) = (Op::ALL[c[0] as usize], Extents::of(p));
        let item = e.item(op);
        // The most patches that have a pixel.
        let [rows, columns] = [0, 1].map(|axis| e.kernel[axis].div_ceil(e.stride[axis]).min(e.patches[axis]) as u64);
        let sums = if op == Op::Fold { rows * columns } else { 0 };
        Work {
            items: p.n as usize / item,
            chunk: (16 * 1024 / item).max(1),
            strides: [item; MAX_OUTS],
            workgroups: u64::from(p.n).div_ceil(c[1].into()),
            loop_bound: if op == Op::Fold { rows * (1 + columns) } else { 0 },
            flops: u64::from(p.n) * sums,
        }
    }

    fn reads(c: &Consts, p: &PatchesParams) -> Vec<usize> {
        let (op, e) = (Op::ALL[c[0] as usize], Extents::of(p));
        let (images, patches) = e.lengths(op, p.n as usize);
        match op {
            Op::Fold => vec![patches],
            // Patches need not reach the last pixels.
            Op::Unfold => {
                let last = |axis: usize| {
                    let end = (e.patches[axis] - 1) * e.stride[axis] + e.kernel[axis];
                    end.saturating_sub(e.before[axis]).min(e.image[axis])
                };
                let (rows, columns) = (last(0), last(1));
                let beyond = ((e.image[0] - rows) * e.image[1] + e.image[1] - columns) * e.channels;
                vec![if rows * columns == 0 { 0 } else { images - beyond }]
            }
        }
    }

    fn describe(c: &Consts, p: &PatchesParams) -> String {
        let op = format!("{:?}", Op::ALL[c[0] as usize]).to_lowercase();
        format!("{op} {}x{}/{}x{} of {}x{}x{}", p.kh, p.kw, p.sy, p.sx, p.h, p.w, p.c)
    }

    #[inline(always)]
    fn run<R: Real>(
        c: &Consts,
        p: &PatchesParams,
        _: &StepRow,
        ins: &[In<R>],
        outs: &mut [Out<R>],
        items: Range<usize>,
    ) {
        let (x, e) = (ins[0].f(), Extents::of(p));
        match Op::ALL[c[0] as usize] {
            Op::Unfold => unfold(&e, x, outs[0].f(), items),
            Op::Fold => fold(&e, x, outs[0].f(), items),
        }
    }

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        let mixed = Values::Straddling { extreme: 1000.0 };
        for op in Op::ALL {
            for (what, images, shape) in SHAPES {
                cases.push(case(op, what, *images, *shape, Values::Integers, 64).exact());
                if op == Op::Fold {
                    cases.push(case(op, what, *images, *shape, mixed, 64));
                }
            }
            cases.push(case(op, "several groups", 2, [9, 7, 5, 4, 3, 3, 3, 2, 2, 1, 0], Values::Integers, 64).again());
            // Past the fold of the grid, at the smallest workgroup.
            cases.push(case(op, "folded grid", 257, [4, 4, 1, 4, 4, 4, 4, 1, 1, 2, 1], Values::Integers, 1).exact());
        }
        // Every patch has every pixel.
        cases.push(
            case(Op::Fold, "large patches", 1, [2, 2, 1, 12, 12, 12, 12, 1, 1, 11, 11], Values::Integers, 64).exact(),
        );
        cases
    }

    fn timed() -> Vec<Case> {
        [Op::Unfold, Op::Fold]
            .into_iter()
            .flat_map(|op| {
                let of = |what, shape| case(op, what, 128, shape, Values::Unit, 64);
                [
                    of("4x4/2 of 28x28", [28, 28, 1, 14, 14, 4, 4, 2, 2, 1, 1]),
                    of("3x3 of 8x8x128", [8, 8, 128, 8, 8, 3, 3, 1, 1, 1, 1]),
                ]
            })
            .collect()
    }
}

#[inline(always)]
fn unfold<R: Real>(e: &Extents, x: &[R], u: &mut [R], items: Range<usize>) {
    let ([h, w], [kh, kw], c) = (e.image, e.kernel, e.channels);
    for (patch, u) in items.zip(u.chunks_exact_mut(kh * kw * c)) {
        let (ox, line) = (patch % e.patches[1], patch / e.patches[1]);
        let (oy, image) = (line % e.patches[0], line / e.patches[0]);
        // The taps along a row that are in the image.
        let left = ox * e.stride[1];
        let lo = e.before[1].saturating_sub(left).min(kw);
        let hi = (w + e.before[1]).saturating_sub(left).clamp(lo, kw);
        for (ky, u) in u.chunks_exact_mut(kw * c).enumerate() {
            let below = oy * e.stride[0] + ky;
            let inside = below >= e.before[0] && below - e.before[0] < h && lo < hi;
            let (lo, hi) = if inside { (lo, hi) } else { (0, 0) };
            u[..lo * c].fill(R::zero());
            u[hi * c..].fill(R::zero());
            if inside {
                let at = (image * h + below - e.before[0]) * w + left + lo - e.before[1];
                u[lo * c..hi * c].copy_from_slice(&x[at * c..][..(hi - lo) * c]);
            }
        }
    }
}

#[inline(always)]
fn fold<R: Real>(e: &Extents, u: &[R], y: &mut [R], items: Range<usize>) {
    let ([h, w], [kh, kw], c) = (e.image, e.kernel, e.channels);
    for (pixel, y) in items.zip(y.chunks_exact_mut(c)) {
        let (ax, line) = (pixel % w + e.before[1], pixel / w);
        let (ay, image) = (line % h + e.before[0], line / h);
        let (rows, columns) = (e.having(0, ay), e.having(1, ax));
        y.fill(R::zero());
        for oy in rows.clone() {
            for ox in columns.clone() {
                let patch = (image * e.patches[0] + oy) * e.patches[1] + ox;
                let at = (patch * kh + ay - oy * e.stride[0]) * kw + ax - ox * e.stride[1];
                y.iter_mut().zip(&u[at * c..][..c]).for_each(|(y, &u)| *y = y.add_term(u));
            }
        }
        y.iter_mut().for_each(|y| *y = y.close_sum(rows.len() * columns.len()));
    }
}

/// What is awkward, the number of images, and [h, w, c, oh, ow, kh, kw, sy, sx, py, px].
const SHAPES: &[(&str, usize, [usize; 11])] = &[
    ("one pixel", 1, [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]),
    ("one pixel, in the middle of a patch", 3, [1, 1, 2, 1, 1, 3, 3, 1, 1, 1, 1]),
    ("every pixel", 2, [5, 7, 3, 5, 7, 1, 1, 1, 1, 0, 0]),
    ("same extent", 2, [6, 5, 4, 6, 5, 3, 3, 1, 1, 1, 1]),
    ("no padding", 3, [7, 6, 2, 5, 4, 3, 3, 1, 1, 0, 0]),
    ("half the extent", 2, [8, 6, 3, 4, 3, 4, 4, 2, 2, 1, 1]),
    ("strides leave out pixels", 2, [9, 11, 2, 3, 3, 2, 2, 3, 4, 0, 0]),
    ("strides that are not divisors", 1, [10, 9, 1, 4, 2, 3, 5, 3, 4, 1, 2]),
    ("a row of taps", 2, [4, 6, 3, 4, 6, 1, 3, 1, 1, 0, 3]),
    ("rows above", 2, [5, 4, 2, 5, 4, 2, 3, 1, 1, 2, 1]),
    ("the last rows and columns in no patch", 2, [6, 6, 2, 2, 2, 2, 2, 2, 2, 0, 0]),
    ("patches beyond the end", 1, [3, 4, 2, 5, 6, 2, 2, 1, 1, 0, 0]),
    ("patches that have no pixel", 1, [2, 2, 3, 5, 5, 2, 2, 2, 2, 4, 4]),
    ("63 elements", 1, [3, 7, 3, 3, 7, 1, 1, 1, 1, 0, 0]),
    ("65 elements", 1, [5, 13, 1, 5, 13, 1, 1, 1, 1, 0, 0]),
    ("prime extents", 1, [13, 11, 7, 6, 5, 3, 3, 2, 2, 0, 0]),
];

fn case(op: Op, what: &str, images: usize, shape: [usize; 11], kind: Values, wg: u32) -> Case {
    let [h, w, c, oh, ow, kh, kw, sy, sx, py, px] = shape.map(|v| v as u32);
    let (image, patches) = (images as u32 * h * w * c, images as u32 * oh * ow * kh * kw * c);
    let (from, to) = if op == Op::Unfold { (image, patches) } else { (patches, image) };
    let p = PatchesParams { n: to, h, w, c, oh, ow, kh, kw, sy, sx, py, px };
    let x = values(kind, from as usize, images as u32);
    let name = format!("{op:?} {what} {kind:?} {images}x{shape:?}").to_lowercase();
    Case::new(name, &[op as u32, wg], p, vec![x.into()], &[to as usize])
}

//! Images and their patches: what makes a convolution of a product of matrices.

use super::op::Op;
use super::tensor::{Tensor, bad};
use crate::values::Shape;

/// Where the patches of images \[…, height, width, channels\] lie: patch (i, j) has its first tap at pixel
/// (i·stride − before) of both axes, and kernel taps along each. All extents are rows, then columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Rows and columns of an image.
    pub image: [usize; 2],
    /// Rows and columns of patches.
    pub patches: [usize; 2],
    /// Taps of a patch.
    pub kernel: [usize; 2],
    /// From one patch to the next.
    pub stride: [usize; 2],
    /// How far the first patch begins before the image. Taps outside of it are 0.
    pub before: [usize; 2],
}

impl Window {
    /// As many patches as lie in an image with `padding` rows and columns of zeros around: ⌊(n + 2p − k)/s⌋ + 1 along
    /// each axis. `None` where the kernel is larger than that.
    pub fn padded(image: [usize; 2], kernel: [usize; 2], stride: usize, padding: usize) -> Option<Self> {
        let count = |axis: usize| Some((image[axis] + 2 * padding).checked_sub(kernel[axis])? / stride + 1);
        let patches = [count(0)?, count(1)?];
        Some(Self { image, patches, kernel, stride: [stride; 2], before: [padding; 2] })
    }

    /// Whether the patches are the pixels.
    fn trivial(&self) -> bool {
        self.kernel == [1; 2] && self.stride == [1; 2] && self.before == [0; 2] && self.image == self.patches
    }

    /// Why the last three axes of `from`, extents and depth, are not `expected` ones.
    fn fits(&self, from: Shape, [rows, columns]: [usize; 2], parts: usize) -> Result<(), String> {
        if [self.kernel, self.stride, self.patches, self.image].as_flattened().contains(&0) {
            return Err(format!("{self:?} has an extent of 0"));
        }
        let r = from.rank();
        if r < 3 || from[r - 3] != rows || from[r - 2] != columns || !from[r - 1].is_multiple_of(parts) {
            return Err(format!("[…, {rows}, {columns}, a multiple of {parts}] is expected"));
        }
        Ok(())
    }
}

impl<'g> Tensor<'g> {
    /// The patches of images: u\[…, i, j, (ky, kx, c)\] = x\[…, i·s + ky − before, j·s + kx − before, c\], 0 outside.
    /// x: \[…, height, width, channels\]; u: \[…, rows, columns, kernel·kernel·channels\].
    #[track_caller]
    pub fn unfold(self, window: Window) -> Self {
        let from = self.shape();
        window.fits(from, window.image, 1).unwrap_or_else(|e| bad(self.graph, "unfold", &[from], &e));
        let depth = from.last() * window.kernel[0] * window.kernel[1];
        self.windowed(Op::Unfold(window), window, window.patches, depth)
    }

    /// The adjoint of [`unfold`](Self::unfold): each pixel is the sum of what the patches have of it.
    /// u: \[…, rows, columns, kernel·kernel·channels\]; x: \[…, height, width, channels\].
    #[track_caller]
    pub fn fold(self, window: Window) -> Self {
        let (from, taps) = (self.shape(), window.kernel[0] * window.kernel[1]);
        window.fits(from, window.patches, taps).unwrap_or_else(|e| bad(self.graph, "fold", &[from], &e));
        self.windowed(Op::Fold(window), window, window.image, from.last() / taps)
    }

    fn windowed(self, op: Op, window: Window, extents: [usize; 2], depth: usize) -> Self {
        if window.trivial() {
            return self;
        }
        let from = self.shape();
        let mut dims = from.dims().to_vec();
        dims[from.rank() - 3..].copy_from_slice(&[extents[0], extents[1], depth]);
        self.make(op, &[self.id], Shape::new(&dims), self.batch_axis().filter(|&axis| axis + 3 < from.rank()))
    }
}

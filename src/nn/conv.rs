//! Convolutions over images \[batch, height, width, channels\], as products of matrices with patches.
//!
//! Channels are the last axis, so that a pixel is a row of a matrix: of one tap a convolution is a dense layer, and what
//! vector quantisation looks up are rows. Weights are stored in the order in which a patch has its taps: \[out, kh, kw, in\],
//! which is PyTorch's \[out, in, kh, kw\] with the axes permuted by (0, 2, 3, 1).

use super::Scope;
use super::layers::uniform;
use crate::graph::{Tensor, Window};

/// The window of a convolution, alike along both axes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taps {
    /// Taps along an axis.
    pub kernel: usize,
    /// Pixels from one place to the next.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
}

impl Taps {
    /// k × k taps around every pixel, of an odd k: the extent stays.
    pub const fn same(kernel: usize) -> Self {
        Self { kernel, stride: 1, padding: kernel / 2 }
    }

    /// 4 × 4 taps at every second pixel: half the extent, or, transposed, twice.
    pub const HALF: Self = Self { kernel: 4, stride: 2, padding: 1 };
}

/// Height, width and channels of images.
#[track_caller]
fn extents(x: Tensor<'_>) -> ([usize; 2], usize) {
    let s = x.shape();
    assert!(s.rank() >= 3, "a convolution of {s}: [batch, height, width, channels] is expected");
    ([s[s.rank() - 3], s[s.rank() - 2]], s.last())
}

/// y\[b, i, j, o\] = Σ W\[o, ky, kx, c\] x\[b, i·s + ky − p, j·s + kx − p, c\] + bias\[o\]; x: \[…, height, width, in\],
/// y: \[…, ⌊(height + 2p − k)/s⌋ + 1, …, out\], zeros around x.
///
/// W and bias begin uniform on ±1/√(k·k·in), the fan-in (LeCun et al. 1998, and what PyTorch does).
#[track_caller]
pub fn conv2d<'g>(net: &Scope<'g>, x: Tensor<'g>, out: usize, Taps { kernel, stride, padding }: Taps) -> Tensor<'g> {
    let (image, _) = extents(x);
    let window = Window::padded(image, [kernel; 2], stride, padding);
    let window = window.unwrap_or_else(|| panic!("{kernel} taps do not fit {} with padding {padding}", x.shape()));
    conv_window(net, x, out, window)
}

/// The same with any window.
#[track_caller]
pub fn conv_window<'g>(net: &Scope<'g>, x: Tensor<'g>, out: usize, window: Window) -> Tensor<'g> {
    net.within(|| {
        let (_, channels) = extents(x);
        let [kh, kw] = window.kernel;
        let init = uniform(kh * kw * channels);
        // In files [out, in, kh, kw].
        let w = net.param_in_files("weight", [out, kh, kw, channels], init, [0, 3, 1, 2]);
        let b = net.param("bias", &[out], init);
        let (y, u) = product(x, w, window);
        over(y + b, u)
    })
}

/// The convolution of x with a weight \[out, kh, kw, in\].
#[track_caller]
pub fn convolve<'g>(x: Tensor<'g>, w: Tensor<'g>, window: Window) -> Tensor<'g> {
    let (y, u) = product(x, w, window);
    over(y, u)
}

/// The same as rows, to which a bias can be added in one dispatch, and the patches, a row each.
#[track_caller]
fn product<'g>(x: Tensor<'g>, w: Tensor<'g>, window: Window) -> (Tensor<'g>, Tensor<'g>) {
    let u = x.unfold(window);
    let depth = u.shape().last();
    let w = w.reshape(&[w.shape()[0], depth]);
    (u.reshape(&[u.len() / depth, depth]).matmul_as(w, false, true), u)
}

/// y\[b, i, j, o\] = Σ W\[ky, kx, o, c\] x\[b, i′, j′, c\] + bias\[o\] over the taps and places for which
/// i = i′·s + ky − p and j = j′·s + kx − p: the adjoint of a convolution, which makes images larger.
/// x: \[…, height, width, in\]; y: \[…, (height − 1)·s + k − 2p + `extra`, …, out\].
///
/// W and bias begin uniform on ±1/√(in·⌈k/s⌉²), for so many terms has a sum (PyTorch divides by √(out·k·k)).
#[track_caller]
pub fn conv_transpose2d<'g>(
    net: &Scope<'g>,
    x: Tensor<'g>,
    out: usize,
    Taps { kernel, stride, padding }: Taps,
    extra: usize,
) -> Tensor<'g> {
    let (patches, _) = extents(x);
    let image = patches.map(|n| ((n - 1) * stride + kernel + extra).saturating_sub(2 * padding));
    let window = Window { image, patches, kernel: [kernel; 2], stride: [stride; 2], before: [padding; 2] };
    conv_transpose_window(net, x, out, window)
}

/// The same with any window, into its images.
#[track_caller]
pub fn conv_transpose_window<'g>(net: &Scope<'g>, x: Tensor<'g>, out: usize, window: Window) -> Tensor<'g> {
    net.within(|| {
        let (_, channels) = extents(x);
        let [kh, kw] = window.kernel;
        let init = uniform(channels * kh.div_ceil(window.stride[0]) * kw.div_ceil(window.stride[1]));
        // In files [in, out, kh, kw].
        let w = net.param_in_files("weight", [kh, kw, out, channels], init, [3, 2, 0, 1]);
        let b = net.param("bias", &[out], init);
        convolve_transposed(x, w, window) + b
    })
}

/// The transposed convolution of x with a weight \[kh, kw, out, in\], into images of `window`.
#[track_caller]
pub fn convolve_transposed<'g>(x: Tensor<'g>, w: Tensor<'g>, window: Window) -> Tensor<'g> {
    let (shape, channels) = (x.shape(), x.shape().last());
    let depth = w.len() / channels;
    let u = x.reshape(&[shape.len() / channels, channels]).matmul_as(w.reshape(&[depth, channels]), false, true);
    over(u, x).fold(window)
}

/// The rows of y as the pixels of `like`.
fn over<'g>(y: Tensor<'g>, like: Tensor<'g>) -> Tensor<'g> {
    let mut dims = like.shape().dims().to_vec();
    *dims.last_mut().expect("a pixel has channels") = y.shape().last();
    y.reshape(&dims).in_batch(like.batch_axis())
}

/// x + conv1×1(relu(conv3×3(relu(x)))), with `hidden` channels between: van den Oord et al. 2017, 4.1.
#[track_caller]
pub fn residual<'g>(net: &Scope<'g>, x: Tensor<'g>, hidden: usize) -> Tensor<'g> {
    let h = conv2d(&(net / 0), x.relu(), hidden, Taps::same(3)).relu();
    x + conv2d(&(net / 1), h, x.shape().last(), Taps::same(1))
}

/// `count` [`residual`] blocks and a relu: 0, 1, …
#[track_caller]
pub fn residual_stack<'g>(net: &Scope<'g>, x: Tensor<'g>, hidden: usize, count: usize) -> Tensor<'g> {
    (0..count).fold(x, |x, i| residual(&(net / i), x, hidden)).relu()
}

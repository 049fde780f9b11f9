//! Layers of autoregressive models over maps \[batch, height, width, channels\]: of a position they see those before it, row
//! by row. Masks are windows: taps that would lie on or behind a position are not there, so nothing is multiplied by 0.

use super::Scope;
use super::conv::{Taps, conv_window, conv2d};
use super::corruption::dropout;
use super::layers::linear;
use crate::graph::{Axes, Tensor, Window};
use crate::values::Shape;

/// What the positions of a map know: above their row, and before them in it.
#[derive(Clone, Copy, Debug)]
pub struct Streams<'g> {
    /// A function of the rows above.
    pub vertical: Tensor<'g>,
    /// A function of these and of what stands to the left.
    pub horizontal: Tensor<'g>,
}

/// Conditional Image Generation with PixelCNN Decoders, van den Oord et al. 2016, fig. 2, layer by layer: the vertical
/// stack sees whole rows above, the horizontal one its own row to the left and the vertical one, so there is no blind spot.
///
/// y = tanh(a) ⊙ σ(b), where a and b are convolutions with (2r + 1) columns and r rows above (and, but for the first layer,
/// the row itself), or r places to the left (and the place itself), plus what a 1×1 convolution makes of `condition`:
/// \[batch, height or 1, width or 1, any\]. The horizontal stack is residual but for the first layer.
#[derive(Clone, Copy, Debug)]
pub struct GatedPixelCnn<'g> {
    /// r.
    pub radius: usize,
    /// Channels of both stacks.
    pub channels: usize,
    /// What every layer knows beside the codes.
    pub condition: Option<Tensor<'g>>,
    /// The share of what a layer adds to the horizontal stack that is left out, each number on its own: 0 but in training.
    pub dropout: f64,
}

impl<'g> GatedPixelCnn<'g> {
    /// The first layer, on the embedded codes x: nothing of a position itself passes.
    #[track_caller]
    pub fn first(&self, net: &Scope<'g>, x: Tensor<'g>) -> Streams<'g> {
        let r = self.radius;
        let vertical = self.gated(&(net / "vertical"), x, [r, 2 * r + 1], None);
        let horizontal = self.gated(&(net / "horizontal"), x, [1, r], Some(vertical));
        Streams { vertical, horizontal: conv2d(&(net / "out"), horizontal, self.channels, Taps::same(1)) }
    }

    /// A further layer.
    #[track_caller]
    pub fn layer(&self, net: &Scope<'g>, s: Streams<'g>) -> Streams<'g> {
        let r = self.radius;
        let vertical = self.gated(&(net / "vertical"), s.vertical, [r + 1, 2 * r + 1], None);
        let horizontal = self.gated(&(net / "horizontal"), s.horizontal, [1, r + 1], Some(vertical));
        let kept = if self.dropout > 0.0 { dropout(&(net / "dropout"), horizontal, self.dropout) } else { horizontal };
        let out = conv2d(&(net / "out"), kept, self.channels, Taps::same(1));
        Streams { vertical, horizontal: s.horizontal + out }
    }

    fn gated(&self, net: &Scope<'g>, x: Tensor<'g>, kernel: [usize; 2], above: Option<Tensor<'g>>) -> Tensor<'g> {
        let s = x.shape();
        let image = [s[s.rank() - 3], s[s.rank() - 2]];
        // The last tap of a row of one is the place, or the one before it; columns are centred where there are rows.
        let before = if above.is_some() { [0, self.radius] } else { [self.radius, self.radius] };
        let window = Window { image, patches: image, kernel, stride: [1; 2], before };
        let one = |net: &Scope<'g>, t: Tensor<'g>| conv2d(net, t, self.channels, Taps::same(1));
        let half = |name: &str| {
            let net = net / name;
            let mut a = conv_window(&net, x, self.channels, window);
            for (name, other) in [("above", above), ("condition", self.condition)] {
                a = other.map_or(a, |other| a + one(&(&net / name), other));
            }
            a
        };
        half("value").tanh() * half("gate").sigmoid()
    }
}

/// PixelSNAIL, Chen et al. 2018, as a residual block of one head: h_i + W Σ_{j < i} p_ij v_j, with
/// p_ij = exp s_ij / (1 + Σ_{j′ < i} exp s_ij′), s_ij = q_i·k_j/√d. The 1 stands for nothing to attend to, which is all that
/// the first position has. q is made of h; k and v of h and the embedded codes x, which are known of earlier positions.
///
/// h, x: \[batch, height, width, channels\]; d = `width`.
#[track_caller]
pub fn causal_attention<'g>(net: &Scope<'g>, h: Tensor<'g>, x: Tensor<'g>, width: usize) -> Tensor<'g> {
    net.within(|| {
        let s = h.shape();
        let (batch, n) = (s[0], s[1] * s[2]);
        let flat = |t: Tensor<'g>| t.reshape(&[batch, n, width]);
        let both = |name: &str| {
            let net = net / name;
            flat(linear(&net, h, width) + linear(&(&net / "code"), x, width))
        };
        let (q, k, v) = (flat(linear(&(net / "query"), h, width)), both("key"), both("value"));
        // 1 where j < i.
        let earlier = net.graph().constant(1.0, Shape::new(&[n, n])).triangle(0.0);
        let scores = q.matmul_as(k, false, true) * (1.0 / (width as f64).sqrt());
        let scores = scores * earlier + earlier.affine(HIDDEN, -HIDDEN);
        let row = Axes::Numbered(2, 3);
        // The largest, the 0 of nothing included.
        let largest = scores.max(row).detach().relu().reshape(&[batch, n, 1]);
        let e = (scores - largest).exp();
        let p = e / (e.sum(row).reshape(&[batch, n, 1]) + (-largest).exp());
        let seen = p.matmul(v).reshape(&[batch, s[1], s[2], width]);
        h + linear(&(net / "out"), seen, s.last())
    })
}

/// exp of minus this is 0 at f32.
const HIDDEN: f64 = 1e4;

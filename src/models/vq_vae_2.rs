//! Generating Diverse High-Fidelity Images with VQ-VAE-2, Razavi et al. 2019, algorithm 1.
//!
//! The loss of VQ-VAE, with the vectors of two levels: h = f(x) at a quarter of the image's extent, z_top = f_top(h) at an
//! eighth, z_bottom = W\[g_top(e_top), h\], and x̂ = g\[up(e_top), e_bottom\].

use super::vq_vae::{flat, of_side, quarter};
use super::{Autoencoder, Level, Loss};
use crate::config::VqVae2;
use crate::graph::Tensor;
use crate::nn::quantize::{Quantized, quantize, rounds};
use crate::nn::{Mode, Scope, Taps, conv_transpose2d, conv2d};
use crate::values::Result;

impl Autoencoder for VqVae2 {
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let [top, bottom] = self.quantized(net, x);
        if net.mode() == Mode::Train {
            top.update(&(net / "quantize" / "top"), &self.net.codebook);
            bottom.update(&(net / "quantize" / "bottom"), &self.net.codebook);
        }
        let through = [top, bottom].map(|q| q.straight_through(net.mode()));
        let y = self.output(net, through, x.shape().last());
        self.net.objective(net.mode(), x, y, &[("top", top), ("bottom", bottom)])
    }

    /// The entries, of the top level first: \[batch, numbers\].
    fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        let [top, bottom] = self.quantized(net, x).map(|q| flat(q.straight_through(net.mode())));
        top.concat(bottom, 1).in_batch(Some(0))
    }

    fn decode<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        let n = z.shape()[0];
        let mut first = 0;
        let levels = extents(features).map(|[h, w]| {
            let len = h * w * self.net.codebook.dimensions;
            let part = z.slice(&[0, first], &[n, len]);
            first += len;
            part.reshape(&[n, h, w, self.net.codebook.dimensions])
        });
        self.net.mean(self.output(net, levels, features), features)
    }

    fn levels(&self, features: usize) -> Vec<Level> {
        let [top, bottom] = extents(features);
        vec![self.net.level("top", top), self.net.level("bottom", bottom)]
    }

    fn indices<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Option<Tensor<'g>> {
        let [top, bottom] = self.quantized(net, x).map(|q| q.indices());
        Some(top.concat(bottom, 1).in_batch(Some(0)))
    }

    fn embed<'g>(&self, net: &Scope<'g>, indices: Tensor<'g>, features: usize) -> Option<Tensor<'g>> {
        let (n, [top, bottom]) = (indices.shape()[0], extents(features));
        let len = |[h, w]: [usize; 2]| h * w * self.net.codebook.books;
        let of = |name: &str, first: usize, level: [usize; 2]| {
            let part = indices.slice(&[0, first], &[n, len(level)]);
            self.net.entries(&(net / "quantize" / name), part, level)
        };
        Some(of("top", 0, top).concat(of("bottom", len(top), bottom), 1).in_batch(Some(0)))
    }

    fn rounds(&self) -> u64 {
        rounds(&self.net.codebook)
    }

    /// Both levels at once: what the bottom sees of the top moves with it.
    fn round<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) {
        let [top, bottom] = self.quantized(net, x);
        top.begin(&(net / "quantize" / "top"), &self.net.codebook);
        bottom.begin(&(net / "quantize" / "bottom"), &self.net.codebook);
    }

    fn accepts(&self, features: usize) -> Result<()> {
        of_side(features, 8)
    }

    fn latent(&self) -> usize {
        self.net.codebook.dimensions
    }

    fn code_len(&self, features: usize) -> usize {
        let positions: usize = extents(features).iter().map(|[h, w]| h * w).sum();
        positions * self.net.codebook.dimensions
    }

    fn hidden(&self) -> &[usize] {
        &[]
    }
}

/// Height and width of the top and of the bottom code.
fn extents(features: usize) -> [[usize; 2]; 2] {
    let bottom = quarter(features);
    [bottom.map(|n| n / 2), bottom]
}

impl VqVae2 {
    /// The top and the bottom vectors.
    fn quantized<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> [Quantized<'g>; 2] {
        let (c, encoder) = (&self.net, net / "encoder");
        let h = c.quartered(&(&encoder / "bottom"), x);
        let half = conv2d(&(&encoder / "top" / 0), h, c.channels / 2, Taps::HALF).relu();
        let top = c.blocks(&(&encoder / "top"), 1, half);
        let code = |name: &str, h: Tensor<'g>| {
            let z = conv2d(&(&encoder / name / "code"), h, c.codebook.dimensions, Taps::same(1));
            quantize(&(net / "quantize" / name), z, &c.codebook)
        };
        let top = code("top", top);
        // What the top code says of the bottom one is part of the encoder.
        let told = c.blocks(&(&encoder / "told"), 0, top.straight_through(net.mode()));
        let told = upward(&(&encoder / "told" / 1), told, c.codebook.dimensions, h.shape()[1]);
        [top, code("bottom", joined(told, h))]
    }

    /// The parameters of p(x | z) of each pixel, of the entries of both levels.
    fn output<'g>(&self, net: &Scope<'g>, [top, bottom]: [Tensor<'g>; 2], features: usize) -> Tensor<'g> {
        let decoder = net / "decoder";
        let up = upward(&(&decoder / "up"), top, self.net.codebook.dimensions, bottom.shape()[1]);
        self.net.output(&decoder, joined(up, bottom), features)
    }
}

/// A transposed convolution to twice the extent, or one more: to `side`.
fn upward<'g>(net: &Scope<'g>, x: Tensor<'g>, channels: usize, side: usize) -> Tensor<'g> {
    conv_transpose2d(net, x, channels, Taps::HALF, side % 2)
}

/// The channels of two maps of one extent.
fn joined<'g>(a: Tensor<'g>, b: Tensor<'g>) -> Tensor<'g> {
    a.concat(b, a.shape().rank() - 1).in_batch(Some(0))
}

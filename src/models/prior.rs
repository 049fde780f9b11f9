//! A prior over the codes of a map, one after the other: p(c) = Πᵢ p(cᵢ | c₁ … cᵢ₋₁), row by row. Gated PixelCNN (van den
//! Oord et al. 2016), and with attention PixelSNAIL's block (Chen et al. 2018) after every second layer.

use crate::graph::{Axes, Init, Tensor};
use crate::nn::{GatedPixelCnn, Scope, Taps, categorical_nll_at, causal_attention, conv2d};

/// The network of a prior.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prior {
    /// K, how many codes there are.
    pub entries: usize,
    /// Channels of both stacks.
    pub channels: usize,
    /// Gated layers.
    pub layers: usize,
    /// How far a layer sees along each axis.
    pub radius: usize,
    /// Positions attend to all before them.
    pub attention: bool,
}

impl Prior {
    /// The logits of p(cᵢ | c₁ … cᵢ₋₁) for every position i of codes \[batch, height, width\], whole numbers:
    /// \[batch, height, width, entries\]. `condition` is what is known beforehand: \[batch, height or 1, width or 1, any\], such
    /// as a class or the vectors of the level above.
    #[track_caller]
    pub fn logits<'g>(&self, net: &Scope<'g>, codes: Tensor<'g>, condition: Option<Tensor<'g>>) -> Tensor<'g> {
        let [height, width, c] = [codes.shape()[1], codes.shape()[2], self.channels];
        let x = net.param("embedding", &[self.entries, c], Init::Uniform { bound: 1.0 }).gather(codes);
        let stack = GatedPixelCnn { radius: self.radius, channels: c, condition };
        let mut s = stack.first(&(net / 0), x);
        // Where in the map a position is, which convolutions see at the edges only.
        s.horizontal = s.horizontal + net.param("position", &[height, width, c], Init::Zeros);
        for i in 1..self.layers {
            s = stack.layer(&(net / i), s);
            if self.attention && i % 2 == 1 {
                s.horizontal = causal_attention(&(net / i / "attention"), s.horizontal, x, c);
            }
        }
        let h = conv2d(&(net / "hidden"), s.horizontal.relu(), c, Taps::same(1)).relu();
        conv2d(&(net / "output"), h, self.entries, Taps::same(1))
    }

    /// −ln p(c) of each map of codes \[batch, height, width\], in nats: \[batch\].
    #[track_caller]
    pub fn nll<'g>(&self, net: &Scope<'g>, codes: Tensor<'g>, condition: Option<Tensor<'g>>) -> Tensor<'g> {
        let (n, k, batch) = (codes.len(), self.entries, codes.shape()[0]);
        let a = self.logits(net, codes, condition).reshape(&[n, k]);
        let nats = categorical_nll_at(codes.reshape(&[n]), a);
        nats.reshape(&[batch, n / batch]).sum(Axes::Numbered(1, 2)).in_batch(codes.batch_axis())
    }
}

//! A prior over the codes of a map, one after the other: p(c | a) = Πᵢ p(cᵢ | c₁ … cᵢ₋₁, a), row by row, and of several books
//! book by book; a are the codes of the level above. Gated PixelCNN (van den Oord et al. 2016), and with attention
//! PixelSNAIL's block (Chen et al. 2018) after every second layer.

use super::{Autoencoder, Loss};
use crate::config::Prior;
use crate::graph::{Axes, BATCH, Init, Tensor};
use crate::nn::{
    GatedPixelCnn, Mode, Scope, Taps, categorical_nll_at, causal_attention, conv_transpose2d, conv2d, residual_stack,
};
use crate::values::Shape;

/// Residual blocks of what is made of the level above.
const BLOCKS: usize = 3;

impl Autoencoder for Prior {
    /// x: \[batch, codes, 1\], whole numbers: first those of the level above, if there is one, then its own.
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let (own, above) = self.parts(x);
        let nll = self.nll(net, own, above.map(|above| self.told(net, above))).mean(BATCH);
        let bits = nll * (1.0 / (self.codes() as f64 * std::f64::consts::LN_2));
        Loss { total: nll, reported: nll, headline: "-ln p(codes)", unit: "nats", terms: vec![("bits a code", bits)] }
    }

    fn encode<'g>(&self, _net: &Scope<'g>, _x: Tensor<'g>) -> Tensor<'g> {
        unreachable!("a session refuses to encode by a prior")
    }

    fn decode<'g>(&self, _net: &Scope<'g>, _z: Tensor<'g>, _features: usize) -> Tensor<'g> {
        unreachable!("a session refuses to decode by a prior")
    }

    fn autoregressive(&self) -> Option<&Prior> {
        Some(self)
    }

    fn latent(&self) -> usize {
        self.codes()
    }

    fn hidden(&self) -> &[usize] {
        &[]
    }
}

impl Prior {
    /// The logits of p(cᵢ | c₁ … cᵢ₋₁) for every position i of codes \[batch, height, width·books\], whole numbers:
    /// \[batch, height, width·books, entries\]. `condition` is what is known beforehand: \[batch, height or 1, width·books or
    /// 1, any\].
    #[track_caller]
    pub fn logits<'g>(&self, net: &Scope<'g>, codes: Tensor<'g>, condition: Option<Tensor<'g>>) -> Tensor<'g> {
        let ([height, width, books, entries], c) = (self.map, self.channels);
        let x = embedded(net, codes, [width, books, entries], c).reshape(&[codes.shape()[0], height, width * books, c]);
        let dropout = if net.mode() == Mode::Train { self.dropout } else { 0.0 };
        let stack = GatedPixelCnn { radius: self.radius, channels: c, condition, dropout };
        let mut s = stack.first(&(net / 0), x);
        // Where in the map a position is, which convolutions see at the edges only.
        s.horizontal = s.horizontal + net.param("position", &[height, width * books, c], Init::Zeros);
        for i in 1..self.layers {
            s = stack.layer(&(net / i), s);
            if self.attention && i % 2 == 1 {
                s.horizontal = causal_attention(&(net / i / "attention"), s.horizontal, x, c);
            }
        }
        let h = conv2d(&(net / "hidden"), s.horizontal.relu(), c, Taps::same(1)).relu();
        conv2d(&(net / "output"), h, entries, Taps::same(1))
    }

    /// −ln p(c) of each map of codes \[batch, height, width·books\], in nats: \[batch\].
    #[track_caller]
    pub fn nll<'g>(&self, net: &Scope<'g>, codes: Tensor<'g>, condition: Option<Tensor<'g>>) -> Tensor<'g> {
        let (n, k, batch) = (codes.len(), self.map[3], codes.shape()[0]);
        let a = self.logits(net, codes, condition).reshape(&[n, k]);
        let nats = categorical_nll_at(codes.reshape(&[n]), a);
        nats.reshape(&[batch, n / batch]).sum(Axes::Numbered(1, 2)).in_batch(codes.batch_axis())
    }

    /// The logits at one place of maps of which the codes before it are known, the same for all: \[n, entries\]. x: \[n,
    /// codes, 1\] as in `loss`; `place`: a whole number, counted from the level's own first code.
    #[track_caller]
    pub fn next<'g>(&self, net: &Scope<'g>, x: Tensor<'g>, place: Tensor<'g>) -> Tensor<'g> {
        let (n, k) = (x.shape()[0], self.map[3]);
        let (own, above) = self.parts(x);
        let logits = self.logits(net, own, above.map(|above| self.told(net, above)));
        let all = logits.reshape(&[n, self.codes(), k]).with_batch_axis(0);
        all.at_time(place.broadcast(Shape::new(&[1, n]))).reshape(&[n, k])
    }

    /// The level's own codes \[batch, height, width·books\] of an example's, and those above.
    fn parts<'g>(&self, x: Tensor<'g>) -> (Tensor<'g>, Option<Tensor<'g>>) {
        let (batch, known) = (x.shape()[0], self.known());
        let map = |first: usize, &[height, width, books, _]: &[usize; 4]| {
            let part = x.slice(&[0, first, 0], &[batch, height * width * books, 1]);
            part.reshape(&[batch, height, width * books]).with_batch_axis(0)
        };
        let above: Option<[usize; 4]> = self.above.as_slice().try_into().ok();
        (map(known, &self.map), above.map(|above| map(0, &above)))
    }

    /// What the codes of the level above say of each position: \[batch, height, width·books, channels\].
    fn told<'g>(&self, net: &Scope<'g>, above: Tensor<'g>) -> Tensor<'g> {
        let (net, c, batch) = (net / "above", self.channels, above.shape()[0]);
        let ([height, width, books, _], [rows, columns, of, entries]) =
            (self.map, self.above.as_slice().try_into().expect("there is a level above"));
        let x = embedded(&net, above, [columns, of, entries], c).reshape(&[batch, rows, columns, of * c]);
        let h = conv2d(&(&net / "in"), x, c, Taps::same(3));
        let h = residual_stack(&(&net / "residual"), h, c, BLOCKS);
        let h = conv_transpose2d(&(&net / "up"), h, c, Taps::HALF, height - 2 * rows);
        let spread = Shape::new(&[batch * height, width, books, c]);
        let s = h.reshape(&[batch * height, width, 1, c]).broadcast(spread);
        s.reshape(&[batch, height, width * books, c]).in_batch(Some(0))
    }
}

/// A vector for each of codes \[batch, height, width·books\], of a table for each book: \[batch, height, width, books,
/// channels\].
fn embedded<'g>(
    net: &Scope<'g>,
    codes: Tensor<'g>,
    [width, books, entries]: [usize; 3],
    channels: usize,
) -> Tensor<'g> {
    let table = net.param("embedding", &[books, entries, channels], Init::Uniform { bound: 1.0 });
    table.gather(codes.reshape(&[codes.shape()[0], codes.shape()[1], width, books]))
}

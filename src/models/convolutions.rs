//! The convolutions over images before an encoder's dense layers, and their mirror image behind a decoder's.

use super::images::square;
use crate::config::{Activation, Convolution};
use crate::graph::{Tensor, Window};
use crate::nn::{Scope, activate, conv_transpose_window, conv_window, linear};
use crate::values::Result;

/// Convolutions over images of known extents.
pub struct Convolutions<'a> {
    layers: &'a [Convolution],
    image: [usize; 3],
    /// Height, width and channels behind each layer.
    maps: Vec<[usize; 3]>,
}

impl<'a> Convolutions<'a> {
    /// Those of an encoder over examples of so many numbers.
    pub fn new(layers: &'a [Convolution], features: usize) -> Result<Self> {
        let image = square(features)?;
        let mut maps: Vec<[usize; 3]> = Vec::with_capacity(layers.len());
        for c in layers {
            let [h, w, _] = maps.last().copied().unwrap_or(image);
            maps.push([h.div_ceil(c.stride), w.div_ceil(c.stride), c.channels]);
        }
        Ok(Self { layers, image, maps })
    }

    /// The same where [`layout`](crate::train::programs::layout) has refused what does not fit.
    #[track_caller]
    pub fn of(layers: &'a [Convolution], features: usize) -> Self {
        Self::new(layers, features).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Refuses examples that are no images for these layers.
    pub fn accept(layers: &[Convolution], features: usize) -> Result<()> {
        if layers.is_empty() { Ok(()) } else { Convolutions::new(layers, features).map(|_| ()) }
    }

    /// What layer i reads.
    fn before(&self, i: usize) -> [usize; 3] {
        if i == 0 { self.image } else { self.maps[i - 1] }
    }

    /// The window of layer i, of so many taps: its places are spread over what it reads evenly.
    fn window(&self, i: usize, kernel: usize) -> Window {
        let stride = self.layers[i].stride;
        let ([h, w, _], [rows, columns, _]) = (self.before(i), self.maps[i]);
        let before = |extent: usize, places: usize| ((places - 1) * stride + kernel).saturating_sub(extent) / 2;
        Window {
            image: [h, w],
            patches: [rows, columns],
            kernel: [kernel; 2],
            stride: [stride; 2],
            before: [before(h, rows), before(w, columns)],
        }
    }

    /// The last layer of x, flat: \[batch, features\] → \[batch, height·width·channels\]; layer i under `conv.i`.
    pub fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>, f: Activation) -> Tensor<'g> {
        let images = |t: Tensor<'g>, [h, w, c]: [usize; 3]| t.reshape(&[t.shape()[0], h, w, c]);
        let x = images(x, self.image);
        let last = self.layers.iter().enumerate().fold(x, |h, (i, c)| {
            activate(conv_window(&(net / "conv" / i), h, c.channels, self.window(i, c.kernel)), f)
        });
        last.reshape(&[last.shape()[0], last.len() / last.shape()[0]])
    }

    /// The mirror image: of the decoder's last dense layer h, \[…, units\], a dense layer `map` as large as what
    /// [`encode`](Self::encode) gave, then the transposed convolutions `conv.0`, …, and `output`, which no activation
    /// follows: \[…, features\].
    pub fn decode<'g>(&self, net: &Scope<'g>, h: Tensor<'g>, f: Activation) -> Tensor<'g> {
        let map = self.maps.last().expect("a decoder of convolutions has some");
        let h = activate(linear(&(net / "map"), h, map.iter().product()), f);
        let leading = &h.shape().dims()[..h.shape().rank() - 1].to_vec()[..];
        let mut y = h.reshape(&[leading, map].concat());
        for (step, i) in (0..self.layers.len()).rev().enumerate() {
            let (out, window) = (self.before(i)[2], self.window(i, self.layers[i].mirror));
            let net = if i == 0 { net / "output" } else { net / "conv" / step };
            y = conv_transpose_window(&net, y, out, window);
            y = if i == 0 { y } else { activate(y, f) };
        }
        y.reshape(&[leading, &[self.image.iter().product()]].concat())
    }
}

//! Neural Discrete Representation Learning, van den Oord et al. 2017, eq. 3.
//!
//! −ln p(x | z_q) + w(‖sg\[z\] − e‖² + β‖z − sg\[e\]‖²),  z = f(x),  e the entries nearest to z,  z_q = z + sg\[e − z\]
//!
//! w is half the pixels over the dimensions of z: a dimension of z weighs as much as a pixel of variance 1, which is the
//! ratio of the paper's code, where both terms are means over elements. The first term of the bracket falls away where
//! entries are moving averages.

use super::images::square;
use super::{Autoencoder, Level, Loss};
use crate::config::{Pixel, Update, VqVae};
use crate::graph::{Axes, BATCH, FEATURES, Tensor};
use crate::nn::quantize::{Quantized, embed, quantize, rounds};
use crate::nn::{Mode, Scope, Taps, categorical_nll_at, conv_transpose2d, conv2d, gaussian_nll, residual_stack};
use crate::values::{Error, Result, Shape};

/// Levels of a pixel.
const BYTE: usize = 256;

impl Autoencoder for VqVae {
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        let q = self.quantized(net, x);
        if net.mode() == Mode::Train {
            q.update(&(net / "quantize"), &self.codebook);
        }
        let y = self.output(&(net / "decoder"), q.straight_through(net.mode()), x.shape().last());
        self.objective(net.mode(), x, y, &[("", q)])
    }

    /// The entries, \[batch, height·width·dimensions\].
    fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        flat(self.quantized(net, x).straight_through(net.mode()))
    }

    fn decode<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        let [h, w] = quarter(features);
        let z = z.reshape(&[z.shape()[0], h, w, self.codebook.dimensions]);
        self.mean(self.output(&(net / "decoder"), z, features), features)
    }

    fn levels(&self, features: usize) -> Vec<Level> {
        vec![self.level("", quarter(features))]
    }

    fn indices<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Option<Tensor<'g>> {
        Some(self.quantized(net, x).indices())
    }

    fn embed<'g>(&self, net: &Scope<'g>, indices: Tensor<'g>, features: usize) -> Option<Tensor<'g>> {
        Some(self.entries(&(net / "quantize"), indices, quarter(features)))
    }

    fn rounds(&self) -> u64 {
        rounds(&self.codebook)
    }

    fn round<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) {
        self.quantized(net, x).begin(&(net / "quantize"), &self.codebook);
    }

    fn accepts(&self, features: usize) -> Result<()> {
        of_side(features, 4)
    }

    fn latent(&self) -> usize {
        self.codebook.dimensions
    }

    fn code_len(&self, features: usize) -> usize {
        quarter(features).iter().product::<usize>() * self.codebook.dimensions
    }

    fn hidden(&self) -> &[usize] {
        &[]
    }
}

/// Refuses what is no square image with a side of at least so much.
pub(super) fn of_side(features: usize, least: usize) -> Result<()> {
    let [side, _, _] = square(features)?;
    if side >= least {
        return Ok(());
    }
    Err(Error::usage(format!("images of {side}×{side} are too small for this model: a side of {least} is the least")))
}

/// Height and width of the code of an image of so many numbers: a quarter of the image's, cut.
pub(super) fn quarter(features: usize) -> [usize; 2] {
    let [h, w, _] = image(features);
    [h / 2 / 2, w / 2 / 2]
}

/// \[height, width, channels\]. What `accepts` refuses does not come here.
fn image(features: usize) -> [usize; 3] {
    square(features).unwrap_or_else(|e| panic!("{e}"))
}

/// \[batch, …\] → \[batch, numbers\].
pub(super) fn flat(t: Tensor<'_>) -> Tensor<'_> {
    let n = t.shape()[0];
    t.reshape(&[n, t.len() / n]).in_batch(Some(0))
}

impl<'g> Quantized<'g> {
    /// The index of each example: \[batch, height·width·books\].
    pub(super) fn indices(&self) -> Tensor<'g> {
        let batch = self.entries.shape()[0];
        self.index.reshape(&[batch, self.index.len() / batch]).with_batch_axis(0)
    }
}

impl VqVae {
    fn quantized<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Quantized<'g> {
        let encoder = net / "encoder";
        let h = self.quartered(&encoder, x);
        let z = conv2d(&(encoder / "code"), h, self.codebook.dimensions, Taps::same(1));
        quantize(&(net / "quantize"), z, &self.codebook)
    }

    /// Two convolutions to a quarter of the extent, one that keeps it, residual blocks: \[batch, features\] →
    /// \[batch, height/4, width/4, channels\]. Pixels are seen as −1 … 1.
    pub(super) fn quartered<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        let [h, w, c] = image(x.shape().last());
        let x = (x * 2.0 - 1.0).reshape(&[x.shape()[0], h, w, c]);
        let half = conv2d(&(net / 0), x, self.channels / 2, Taps::HALF).relu();
        let quarter = conv2d(&(net / 1), half, self.channels, Taps::HALF).relu();
        self.blocks(net, 2, quarter)
    }

    /// A convolution that keeps the extent, under its number, then residual blocks.
    pub(super) fn blocks<'g>(&self, net: &Scope<'g>, number: usize, x: Tensor<'g>) -> Tensor<'g> {
        let h = conv2d(&(net / number), x, self.channels, Taps::same(3));
        residual_stack(&(net / "residual"), h, self.residual, self.blocks)
    }

    /// The mirror image of [`quartered`](Self::quartered): the parameters of p(x | z) of each pixel, \[batch, height, width,
    /// numbers\].
    pub(super) fn output<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        let [side, _, channels] = image(features);
        let numbers = match self.pixel {
            Pixel::Gaussian => channels,
            Pixel::Softmax => channels * BYTE,
        };
        let h = self.blocks(net, 0, z);
        let half = conv_transpose2d(&(net / 1), h, self.channels / 2, Taps::HALF, side / 2 % 2).relu();
        conv_transpose2d(&(net / "output"), half, numbers, Taps::HALF, side % 2)
    }

    /// E\[x | z\] of the decoder's output: \[batch, features\].
    pub(super) fn mean<'g>(&self, y: Tensor<'g>, features: usize) -> Tensor<'g> {
        let batch = y.shape()[0];
        if self.pixel == Pixel::Gaussian {
            return flat(y);
        }
        let (graph, rows) = (y.graph(), batch * features);
        let logits = y.reshape(&[rows, BYTE]);
        let p = (logits - logits.max(Axes::Numbered(1, 2)).detach().reshape(&[rows, 1])).exp();
        // j/255, as the sums of the rows of a triangle of ones.
        let ones = graph.constant(1.0, Shape::new(&[BYTE, BYTE]));
        let ramp = (ones.triangle(1.0).sum(Axes::Numbered(1, 2)) - 1.0) * (1.0 / 255.0);
        let mean = (p * ramp).sum(Axes::Numbered(1, 2)) / p.sum(Axes::Numbered(1, 2));
        mean.reshape(&[batch, features]).with_batch_axis(0)
    }

    /// −ln p(x | z) of the decoder's output, in nats, summed over pixels, averaged over the batch.
    fn nll<'g>(&self, x: Tensor<'g>, y: Tensor<'g>) -> Tensor<'g> {
        match self.pixel {
            Pixel::Gaussian => gaussian_nll(x, flat(y), self.variance).sum(FEATURES).mean(BATCH),
            Pixel::Softmax => {
                // The byte; the half is cut off with what rounding made of it.
                let byte = (x * 255.0 + 0.5).reshape(&[x.len()]);
                let nll = categorical_nll_at(byte, y.reshape(&[x.len(), BYTE]));
                nll.reshape(x.shape().dims()).with_batch_axis(0).sum(FEATURES).mean(BATCH)
            }
        }
    }

    /// The loss of the decoder's output y and of the vectors of each level, by its name.
    pub(super) fn objective<'g>(
        &self,
        mode: Mode,
        x: Tensor<'g>,
        y: Tensor<'g>,
        levels: &[(&str, Quantized<'g>)],
    ) -> Loss<'g> {
        let features = x.shape().last();
        let nll = self.nll(x, y);
        let squared = (self.mean(y, features) - x).square().sum(FEATURES).mean(BATCH);
        let add = |a: Tensor<'g>, b: Tensor<'g>| a + b;
        let over =
            |f: fn(&Quantized<'g>) -> Tensor<'g>| levels.iter().map(|(_, q)| f(q) * weight(q, features)).reduce(add);
        let commitment = over(Quantized::commitment).expect("a model of codebooks has a level");
        let mut total = nll + commitment * self.codebook.commitment;
        let mut terms = vec![("recon", nll), ("commitment", commitment)];
        if self.codebook.update == Update::Gradient {
            let moves = over(Quantized::codebook_loss).expect("a model of codebooks has a level");
            total = total + moves;
            terms.push(("codebook", moves));
        }
        match mode {
            Mode::Train => {
                terms.push(("squared error", squared));
                // Of a batch; evaluation counts over its whole set.
                terms.extend(levels.iter().map(|(level, q)| (perplexity(level), q.perplexity())));
            }
            Mode::Evaluate => terms.insert(0, ("MSE", squared * (1.0 / features as f64))),
        }
        Loss { total, reported: squared, headline: "squared error", unit: "an image", terms }
    }

    /// What a level of this extent is like.
    pub(super) fn level(&self, name: &'static str, [height, width]: [usize; 2]) -> Level {
        let c = &self.codebook;
        let state = if name.is_empty() { "quantize".to_string() } else { format!("quantize.{name}") };
        Level { name, height, width, books: c.books, entries: c.entries, dimensions: c.dimensions, scope: state }
    }

    /// The entries of the indices of a level, \[n, height·width·books\]: \[n, height·width·dimensions\].
    pub(super) fn entries<'g>(&self, net: &Scope<'g>, indices: Tensor<'g>, [h, w]: [usize; 2]) -> Tensor<'g> {
        let index = indices.reshape(&[indices.shape()[0], h * w, self.codebook.books]);
        flat(embed(net, index, &self.codebook))
    }
}

/// Half the pixels over the dimensions of z.
fn weight(q: &Quantized<'_>, features: usize) -> f64 {
    let shape = q.entries.shape();
    features as f64 / (2 * shape.len() / shape[0]) as f64
}

/// The name of a level's perplexity.
fn perplexity(level: &str) -> &'static str {
    match level {
        "top" => "top perplexity",
        "bottom" => "bottom perplexity",
        _ => "perplexity",
    }
}

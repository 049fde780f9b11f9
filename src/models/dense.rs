//! The fully connected network of the autoencoders without a prior: f(x) = code, g(code) = x̂, and the error of x̂.

use super::{Autoencoder, Loss};
use crate::config::{self, Dense};
use crate::graph::{BATCH, FEATURES, Tensor};
use crate::nn::{Layer, Scope, activate, bernoulli_nll, dense, linear, transposed};

/// A model of a [`Dense`] network, whose code and whose decoder's output are the network's: it adds a loss.
pub trait OverDense {
    /// The network.
    fn net(&self) -> &Dense;

    /// As [`Autoencoder::loss`].
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g>;
}

impl<M: OverDense> Autoencoder for M {
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g> {
        OverDense::loss(self, net, x)
    }

    fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        self.net().encode(net, x)
    }

    fn decode<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        self.net().decode(net, z, features)
    }

    fn latent(&self) -> usize {
        self.net().latent
    }

    fn hidden(&self) -> &[usize] {
        &self.net().hidden
    }
}

/// The error of a batch's reconstructions, scalars per example.
pub struct Reconstruction<'g> {
    /// The squared error ‖x − x̂‖².
    pub squared: Tensor<'g>,
    /// What the settings ask to minimise: the squared error or the cross-entropy.
    pub objective: Tensor<'g>,
    /// The cross-entropy by name, where it is minimised.
    pub terms: Vec<(&'static str, Tensor<'g>)>,
}

impl Dense {
    /// Every hidden layer of the encoder, outermost first, then the code.
    pub fn encoder_layers<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Vec<Layer<'g>> {
        let net = net / "encoder";
        let hidden = self.hidden.iter().enumerate().map(|(i, &width)| (&net / i, width, self.activation));
        let mut made: Vec<Layer<'g>> = Vec::with_capacity(self.hidden.len() + 1);
        for (net, width, f) in hidden.chain([(&net / "code", self.latent, self.code)]) {
            made.push(dense(&net, made.last().map_or(x, |layer| layer.after), width, f));
        }
        made
    }

    /// What each of these layers gives, \[batch, units\].
    pub fn encoder<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Vec<Tensor<'g>> {
        self.encoder_layers(net, x).iter().map(|layer| layer.after).collect()
    }

    /// The code f(x): \[batch, latent\].
    pub fn encode<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
        self.encoder(net, x).pop().expect("the code is always there")
    }

    /// Every hidden layer of the decoder, from the code outwards, then what stands before its last activation,
    /// \[batch, units\].
    pub fn decoder<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Vec<Tensor<'g>> {
        let (encoder, net) = (net / "encoder", net / "decoder");
        // From the code outwards; the encoder's layer that leads from `width` units is the one to tie to.
        let widths: Vec<usize> = self.hidden.iter().rev().copied().chain([features]).collect();
        let layer = |h, (i, &width): (usize, &usize)| {
            let last = i == self.hidden.len();
            let here = if last { &net / "output" } else { &net / i };
            let there = if i == 0 { &encoder / "code" } else { &encoder / (self.hidden.len() - i) };
            let a = if self.tied { transposed(&here, &there, h, width) } else { linear(&here, h, width) };
            if last { a } else { activate(a, self.activation) }
        };
        widths
            .iter()
            .enumerate()
            .scan(z, |h, at| {
                *h = layer(*h, at);
                Some(*h)
            })
            .collect()
    }

    /// What stands before the decoder's last activation: \[batch, features\].
    pub fn logits<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        self.decoder(net, z, features).pop().expect("the output is always there")
    }

    /// g(z): \[batch, features\].
    pub fn decode<'g>(&self, net: &Scope<'g>, z: Tensor<'g>, features: usize) -> Tensor<'g> {
        activate(self.logits(net, z, features), self.output)
    }

    /// What the settings ask to minimise, an element: the squared error or the cross-entropy, \[batch, features\].
    pub fn errors<'g>(&self, x: Tensor<'g>, logits: Tensor<'g>) -> Tensor<'g> {
        match self.loss {
            config::Loss::Mse => (activate(logits, self.output) - x).square(),
            config::Loss::CrossEntropy => bernoulli_nll(x, logits),
        }
    }

    /// The error against x of what [`Dense::logits`] gave.
    pub fn reconstruction<'g>(&self, x: Tensor<'g>, logits: Tensor<'g>) -> Reconstruction<'g> {
        let squared = (activate(logits, self.output) - x).square().sum(FEATURES).mean(BATCH);
        let (objective, terms) = match self.loss {
            config::Loss::Mse => (squared, vec![]),
            config::Loss::CrossEntropy => {
                let nats = bernoulli_nll(x, logits).sum(FEATURES).mean(BATCH);
                (nats, vec![("cross-entropy", nats)])
            }
        };
        Reconstruction { squared, objective, terms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::nn::Mode;
    use crate::values::Shape;

    #[test]
    fn a_tied_decoder_has_biases_alone() {
        let graph = Graph::new();
        let net = Scope::root(&graph, Mode::Train);
        let x = graph.constant(0.5, Shape::new(&[4, 9])).with_batch_axis(0);
        let dense = Dense { hidden: vec![7, 5], latent: 3, tied: true, ..Dense::default() };
        let y = dense.decode(&net, dense.encode(&net, x), 9);
        assert_eq!(y.shape().dims(), [4, 9]);
        let of_decoder: Vec<(String, usize)> = graph
            .params()
            .iter()
            .filter(|p| p.path.starts_with("decoder"))
            .map(|p| (p.path.clone(), p.shape.len()))
            .collect();
        let want = [("decoder.0.bias", 5), ("decoder.1.bias", 7), ("decoder.output.bias", 9)];
        assert_eq!(of_decoder, want.map(|(path, n)| (path.to_string(), n)));
    }
}

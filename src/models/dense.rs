//! The fully connected network of the autoencoders without a prior: f(x) = code, g(code) = x̂, and the error of x̂.

use super::{Autoencoder, Loss};
use crate::config::{self, Activation, Dense};
use crate::graph::{BATCH, FEATURES, Tensor};
use crate::nn::{Layer, Scope, activate, bernoulli_nll, dense, linear, transposed};

/// A model of a [`Dense`] network, whose code and whose decoder's output are the network's: it adds a loss.
pub trait OverDense {
    /// The network.
    fn net(&self) -> &Dense;

    /// As [`Autoencoder::loss`].
    fn loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Loss<'g>;

    /// As [`Autoencoder::layer_loss`].
    fn layer_loss<'g>(&self, _net: &Scope<'g>, _x: Tensor<'g>, _layer: usize) -> Option<Tensor<'g>> {
        None
    }
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

    fn layer_loss<'g>(&self, net: &Scope<'g>, x: Tensor<'g>, layer: usize) -> Option<Tensor<'g>> {
        OverDense::layer_loss(self, net, x, layer)
    }

    fn encoder_layers<'g>(&self, net: &Scope<'g>, x: Tensor<'g>) -> Option<Vec<Layer<'g>>> {
        Some(self.net().encoder_layers(net, x))
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
        let mut made: Vec<Layer<'g>> = Vec::with_capacity(self.depth());
        for layer in 0..self.depth() {
            made.push(self.encoder_layer(net, made.last().map_or(x, |layer| layer.after), layer));
        }
        made
    }

    /// The layers of the encoder, the code's among them.
    fn depth(&self) -> usize {
        self.hidden.len() + 1
    }

    /// One layer of the encoder: 0 is the outermost, the last one the code.
    fn encoder_layer<'g>(&self, net: &Scope<'g>, h: Tensor<'g>, layer: usize) -> Layer<'g> {
        let net = net / "encoder";
        match self.hidden.get(layer) {
            Some(&width) => dense(&(&net / layer), h, width, self.activation),
            None => dense(&(&net / "code"), h, self.latent, self.code),
        }
    }

    /// What stands before the activation of the decoder's layer that mirrors this layer of the encoder, and that
    /// activation; the layer has `width` units.
    fn decoder_layer<'g>(
        &self,
        net: &Scope<'g>,
        h: Tensor<'g>,
        layer: usize,
        width: usize,
    ) -> (Tensor<'g>, Activation) {
        let (encoder, net) = (net / "encoder", net / "decoder");
        let last = layer == 0;
        let here = if last { &net / "output" } else { &net / (self.hidden.len() - layer) };
        let there = if layer == self.hidden.len() { &encoder / "code" } else { &encoder / layer };
        let a = if self.tied { transposed(&here, &there, h, width) } else { linear(&here, h, width) };
        (a, if last { self.output } else { self.activation })
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
        let mut made: Vec<Tensor<'g>> = Vec::with_capacity(self.depth());
        for layer in (0..self.depth()).rev() {
            let width = if layer == 0 { features } else { self.hidden[layer - 1] };
            let (a, f) = self.decoder_layer(net, made.last().copied().unwrap_or(z), layer, width);
            made.push(if layer == 0 { a } else { activate(a, f) });
        }
        made
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

    /// What the layers below one make of x, through which no gradient passes: \[batch, units\].
    pub fn below<'g>(&self, net: &Scope<'g>, x: Tensor<'g>, layer: usize) -> Tensor<'g> {
        (0..layer).fold(x, |h, below| self.encoder_layer(net, h, below).after).detach()
    }

    /// The error, an element, of h against what one layer of the encoder and its mirror image make of `seen`, which is h
    /// or what a corruption made of it: the cross-entropy where the settings ask for it and h is that of a sigmoid, else
    /// the squared error.
    pub fn layer_errors<'g>(&self, net: &Scope<'g>, h: Tensor<'g>, seen: Tensor<'g>, layer: usize) -> Tensor<'g> {
        let z = self.encoder_layer(net, seen, layer).after;
        let (a, f) = self.decoder_layer(net, z, layer, h.shape().last());
        match (self.loss, f) {
            (config::Loss::CrossEntropy, Activation::Sigmoid) => bernoulli_nll(h, a),
            _ => (activate(a, f) - h).square(),
        }
    }

    /// The error against x of what [`Dense::logits`] gave.
    pub fn reconstruction<'g>(&self, x: Tensor<'g>, logits: Tensor<'g>) -> Reconstruction<'g> {
        let squared = (activate(logits, self.output) - x).square().sum(FEATURES).mean(BATCH);
        let objective = self.errors(x, logits).sum(FEATURES).mean(BATCH);
        let terms = match self.loss {
            config::Loss::Mse => vec![],
            config::Loss::CrossEntropy => vec![("cross-entropy", objective)],
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

//! The phases of training: which parameters a step updates, and until when.

use crate::config::Config;
use crate::graph::{Graph, ParamLayout};
use crate::models;
use crate::nn::{Clock, Mode, Scope};
use crate::values::{Error, Result, Shape};

/// What a step updates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Every parameter.
    Whole,
    /// θ: every parameter but the encoder's.
    Decoder,
    /// φ: the parameters of the encoder.
    Encoder,
    /// The softmax of a classifier.
    Classifier,
}

/// A training program's part, and the steps at which it is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Phase {
    /// What it updates.
    pub part: Part,
    /// When it does.
    pub clock: Clock,
}

impl Part {
    /// Whether it updates the parameters of a group (the first part of their path).
    pub fn updates(self, group: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Decoder => group != "encoder",
            Self::Encoder => group == "encoder",
            Self::Classifier => group == "classifier",
        }
    }
}

/// The phases of a run: each step belongs to one. Refused where the parameters do not divide as the settings ask.
pub fn phases(c: &Config, layout: &ParamLayout, features: usize) -> Result<Vec<Phase>> {
    let [decoder, encoder] = c.train.alternate[..] else {
        let part = if c.classifier.freeze { Part::Classifier } else { Part::Whole };
        return Ok(vec![Phase { part, clock: Clock::EVERY }]);
    };
    let kind = c.model.kind();
    let has = |part: Part| layout.params.iter().any(|p| part.updates(p.group()));
    for (part, name) in [(Part::Decoder, "decoder"), (Part::Encoder, "encoder")] {
        if !has(part) {
            return Err(Error::usage(format!(
                "train.alternate needs a decoder and an encoder, and model.kind = {kind:?} has no parameters of a {name}"
            )));
        }
    }
    if decoder_reads_encoder(c, features) {
        return Err(Error::usage(format!(
            "train.alternate needs a decoder with weights of its own, and model.kind = {kind:?} has tied ones here: take \
             model.tied=false where there is such a setting, or another model"
        )));
    }
    let cycle = decoder + encoder;
    Ok(vec![
        Phase { part: Part::Decoder, clock: Clock { first: 0, own: decoder, cycle } },
        Phase { part: Part::Encoder, clock: Clock { first: decoder, own: encoder, cycle } },
    ])
}

/// Whether a parameter of the encoder is one of the decoder too.
fn decoder_reads_encoder(c: &Config, features: usize) -> bool {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let model = models::of(&c.model);
    let z = graph.constant(0.0, Shape::new(&[1, model.latent()])).with_batch_axis(0);
    model.decode(&net, z, features);
    graph.params().iter().any(|p| Part::Encoder.updates(p.group()))
}

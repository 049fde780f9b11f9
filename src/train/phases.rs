//! The phases of training: which parameters a step updates, and until when.

use crate::config::Config;
use crate::graph::{Graph, ParamLayout};
use crate::models;
use crate::nn::{Clock, Mode, Scope};
use crate::values::{Error, Result, Shape};
use std::fmt;

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
    /// One layer of the encoder (0: the outermost) and its mirror image, as an autoencoder by themselves.
    Layer(usize),
}

/// A training program's part, and the steps at which it is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Phase {
    /// What it updates.
    pub part: Part,
    /// The stage that it belongs to begins here: schedules and Adam's corrections count from it, with moments of 0.
    pub start: u64,
    /// The stage ends before this.
    pub end: u64,
    /// Its steps in the stage.
    pub clock: Clock,
}

impl Phase {
    /// Whether a step belongs to it.
    pub fn has(&self, step: u64) -> bool {
        (self.start..self.end).contains(&step) && self.clock.has(step - self.start)
    }

    /// The first step from `step` on, which belongs to it, that does not.
    pub fn end(&self, step: u64) -> u64 {
        self.end.min(self.clock.end(step - self.start).saturating_add(self.start))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("whole network"),
            Self::Decoder => f.write_str("decoder"),
            Self::Encoder => f.write_str("encoder"),
            Self::Classifier => f.write_str("classifier"),
            Self::Layer(layer) => write!(f, "layer {}", layer + 1),
        }
    }
}

impl Part {
    /// Whether it updates the parameters of a group (the first part of their path).
    pub fn updates(self, group: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Decoder => group != "encoder",
            Self::Encoder => group == "encoder",
            Self::Classifier => group == "classifier",
            // Which parameters those are, its loss says.
            Self::Layer(_) => true,
        }
    }
}

/// The phases of a run of so many steps an epoch: each step belongs to one. Refused where the parameters do not divide as
/// the settings ask.
pub fn phases(c: &Config, layout: &ParamLayout, features: usize, per_epoch: u64) -> Result<Vec<Phase>> {
    if c.train.pretrain > 0 && !has_layers(c, features) {
        return Err(Error::usage(format!(
            "train.pretrain is not for model.kind = {:?}: ae and dae are pretrained layer by layer",
            c.model.kind()
        )));
    }
    let each = c.train.pretrain.saturating_mul(per_epoch);
    let layers = if each > 0 { models::of(&c.model).hidden().len() as u64 + 1 } else { 0 };
    let layer = |l: u64| {
        let part = Part::Layer(l as usize);
        Phase { part, start: each.saturating_mul(l), end: each.saturating_mul(l + 1), clock: Clock::EVERY }
    };
    let rest = |(part, clock)| Phase { part, start: each.saturating_mul(layers), end: u64::MAX, clock };
    Ok((0..layers).map(layer).chain(sides(c, layout, features)?.into_iter().map(rest)).collect())
}

/// Whether the model has a loss of each layer.
fn has_layers(c: &Config, features: usize) -> bool {
    let graph = Graph::new();
    let x = graph.constant(0.0, Shape::new(&[1, features])).with_batch_axis(0);
    models::of(&c.model).layer_loss(&Scope::root(&graph, Mode::Train), x, 0).is_some()
}

/// What is updated when, after any pretraining.
fn sides(c: &Config, layout: &ParamLayout, features: usize) -> Result<Vec<(Part, Clock)>> {
    let [decoder, encoder] = c.train.alternate[..] else {
        let part = if c.classifier.freeze { Part::Classifier } else { Part::Whole };
        return Ok(vec![(part, Clock::EVERY)]);
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
        (Part::Decoder, Clock { first: 0, own: decoder, cycle }),
        (Part::Encoder, Clock { first: decoder, own: encoder, cycle }),
    ])
}

/// Whether a parameter of the encoder is one of the decoder too.
fn decoder_reads_encoder(c: &Config, features: usize) -> bool {
    let graph = Graph::new();
    let net = Scope::root(&graph, Mode::Evaluate);
    let model = models::of(&c.model);
    let z = graph.constant(0.0, Shape::new(&[1, model.code_len(features)])).with_batch_axis(0);
    model.decode(&net, z, features);
    graph.params().iter().any(|p| Part::Encoder.updates(p.group()))
}

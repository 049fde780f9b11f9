//! [`Config`]: everything that decides a run.

use super::{Classifier, Model, Optimizer, Schedule};
use crate::values::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use toml::{Table, Value};

/// Everything that decides a run. The defaults are the recipe `vae`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The recipe that it began as.
    pub recipe: String,
    /// `[model]`.
    pub model: Model,
    /// `[data]`.
    pub data: Data,
    /// `[optimizer]`.
    pub optimizer: Optimizer,
    /// `[train]`.
    pub train: Train,
    /// `[classifier]`.
    pub classifier: Classifier,
    /// `[checkpoint]`.
    pub checkpoint: Checkpoint,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            recipe: "vae".into(),
            model: Model::default(),
            data: Data::default(),
            optimizer: Optimizer::default(),
            train: Train::default(),
            classifier: Classifier::default(),
            checkpoint: Checkpoint::default(),
        }
    }
}

/// `[data]`: what is learned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// The name of a known data set, or a folder, or a file.
    pub name: String,
    /// How grey pixels become bits.
    pub binarise: Binarise,
    /// Images taken off the end of the training set, before `limit` cuts the splits; 0: none.
    pub validation: usize,
    /// Images that a set without test images gives up for testing; 0: a tenth.
    pub test: usize,
    /// Where a table (.csv) has its labels.
    pub label: Label,
    /// Keep the first so many images of each split; 0: all.
    pub limit: usize,
    /// Keep the whole set on the device; false: stream batches from the host.
    pub resident: bool,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            name: "mnist".into(),
            binarise: Binarise::Dynamic,
            validation: 0,
            test: 0,
            label: Label::Auto,
            limit: 0,
            resident: true,
        }
    }
}

/// The column of a table that holds the labels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// As the header says; without a header none, if the columns are the pixels of a square.
    Auto,
    /// The first.
    First,
    /// The last.
    Last,
    /// There are no labels.
    None,
}

/// How grey pixels become bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Binarise {
    /// Bits drawn anew, with the grey level as probability, each time that an image is used.
    Dynamic,
    /// Bits drawn once, before training.
    Static,
    /// Grey levels in [0, 1], as they are.
    None,
}

/// `[train]`: how long, in what portions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Train {
    /// Passes over the training set, after pretraining; not read where `steps` is above 0.
    pub epochs: u64,
    /// Optimizer steps, after pretraining; 0: as many as the epochs take.
    pub steps: u64,
    /// Epochs of greedy pretraining a layer, before what the epochs or steps above are of; 0: none.
    pub pretrain: u64,
    /// [decoder steps, encoder steps]: so many steps that update θ, the decoder and all else but the encoder, then so
    /// many that update φ, the encoder, and again; empty: every step updates both.
    pub alternate: Vec<u64>,
    /// Images a step.
    pub batch: usize,
    /// What steps are computed in.
    pub precision: Precision,
    /// The seed of every random number in the run.
    pub seed: u64,
    /// Steps between two lines of metrics.
    pub log_every: u64,
    /// Stop after this many steps in a row that were skipped because something in them was not finite.
    pub max_skipped: u64,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            epochs: 10,
            steps: 0,
            pretrain: 0,
            alternate: vec![],
            batch: 128,
            precision: Precision::F32,
            seed: 1,
            log_every: 50,
            max_skipped: 10,
        }
    }
}

/// What numbers of a step stand in memory as.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// IEEE binary32, all of them.
    F32,
    /// IEEE binary16 what products read of weights and of what layers make, with sums of binary32; gradients, weights and
    /// moments are binary32.
    Mixed,
}

/// `[checkpoint]`: what is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Checkpoint {
    /// Steps between two checkpoints; 0: one at the end only.
    pub every: u64,
    /// The element type of the saved weights.
    pub dtype: ElementType,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { every: 500, dtype: ElementType::F32 }
    }
}

/// The element type of saved weights.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    /// IEEE binary32, exact.
    F32,
    /// IEEE binary16, rounded.
    F16,
}

impl Config {
    /// Refuses, by key, what the types allow and no run can use.
    pub fn validate(&self) -> Result<()> {
        self.model.validate()?;
        if self.data.name.is_empty() {
            return Err(Error::usage("data.name is empty: give the name of a data set or a folder"));
        }
        self.optimizer.validate()?;
        self.classifier.validate()?;
        let t = &self.train;
        if t.epochs == 0 && t.steps == 0 {
            return Err(Error::usage("train.epochs and train.steps are both 0: there is nothing to train"));
        }
        // The step is one 32-bit word of every random number's counter.
        for (key, value) in [("train.epochs", t.epochs), ("train.steps", t.steps), ("train.pretrain", t.pretrain)] {
            if value > u64::from(u32::MAX) {
                return Err(Error::usage(format!("{key} must be at most {}, not {value}", u32::MAX)));
            }
        }
        if !t.alternate.is_empty() && (t.alternate.len() != 2 || t.alternate.contains(&0)) {
            return Err(Error::usage(format!(
                "train.alternate must be [decoder steps, encoder steps], each at least 1, or empty, not {:?}",
                t.alternate
            )));
        }
        if let Some(steps) = t.alternate.iter().find(|s| **s > u64::from(u32::MAX)) {
            return Err(Error::usage(format!("train.alternate must be at most {} each, not {steps}", u32::MAX)));
        }
        if !t.alternate.is_empty() && self.classifier.wanted() {
            return Err(Error::usage("train.alternate is for an autoencoder: with classifier.classes it must be []"));
        }
        if matches!(self.model, Model::VqVae(_) | Model::VqVae2(_) | Model::Prior(_)) && self.classifier.wanted() {
            return Err(Error::usage(format!(
                "classifier.classes must be 0 where model.kind is {}: codes are no numbers that a softmax could weigh",
                self.model.kind()
            )));
        }
        if t.pretrain > 0 && self.classifier.wanted() {
            return Err(Error::usage("train.pretrain is for an autoencoder: with classifier.classes it must be 0"));
        }
        if t.pretrain > 0 && !self.model.conv().is_empty() {
            return Err(Error::usage("train.pretrain is for dense layers: with model.conv it must be 0"));
        }
        // TOML has no larger integer, and a run must be able to write its own recipe.
        if t.seed > i64::MAX as u64 {
            return Err(Error::usage(format!("train.seed must be at most {}, not {}", i64::MAX, t.seed)));
        }
        at_least_one("train.batch", t.batch as u64)?;
        at_most("train.batch", t.batch, 1 << 20)?;
        at_least_one("train.max_skipped", t.max_skipped)?;
        at_least_one("train.log_every", t.log_every)
    }

    /// The settings as a table, in the order of the declarations.
    ///
    /// # Panics
    /// If an integer is above `i64::MAX`, which [`Config::validate`] and TOML itself refuse.
    pub(super) fn to_table(&self) -> Table {
        Table::try_from(self).expect("settings are strings, booleans, lists and numbers within TOML's range")
    }

    /// The settings as TOML, one line each, which [`resolve`](super::resolve) reads back to the same settings.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a String takes every write");
        for (group, value) in &self.to_table() {
            match value {
                Value::Table(settings) => {
                    line(format_args!("\n[{group}]"));
                    settings.iter().for_each(|(key, value)| line(format_args!("{key} = {value}")));
                }
                value => line(format_args!("{group} = {value}")),
            }
        }
        text
    }
}

/// Refuses more than `most`: extents beyond it would not fit any device, and their products no integer.
pub(super) fn at_most(key: &str, value: usize, most: usize) -> Result<()> {
    if value <= most { Ok(()) } else { Err(Error::usage(format!("{key} must be at most {most}, not {value}"))) }
}

/// Refuses 0.
pub(super) fn at_least_one(key: &str, value: u64) -> Result<()> {
    if value > 0 { Ok(()) } else { Err(Error::usage(format!("{key} must be at least 1, not 0"))) }
}

/// Refuses a schedule that is malformed or falls below `least` at any step.
pub(super) fn all_at_least(key: &str, schedule: &Schedule, least: f64) -> Result<()> {
    if let Some(fault) = schedule.fault() {
        return Err(Error::usage(format!("{key}: {fault}")));
    }
    let (lo, _) = schedule.range();
    if lo >= least {
        return Ok(());
    }
    Err(Error::usage(format!("{key} must be at least {least} at every step, not {lo}")))
}

#[cfg(test)]
mod tests {
    use super::super::{Vae, Variational, resolve};
    use super::*;

    #[test]
    fn written_settings_are_read_back_the_same() {
        let ramp = Schedule::Linear { from: 0.0, to: 4.0, steps: 1000, start: 10 };
        let mut c = Config {
            model: Model::Vae(Vae {
                beta: ramp,
                net: Variational { hidden: vec![], ..Variational::default() },
                ..Vae::default()
            }),
            ..Config::default()
        };
        c.data.name = "my \"images\"/a\\b".into();
        c.train.seed = i64::MAX as u64;
        let text = c.to_toml();
        assert_eq!(resolve(&text.parse().unwrap()).unwrap(), c, "{text}");
        assert!(text.contains("\nbeta = { from = 0.0, to = 4.0, steps = 1000, start = 10 }\n"), "{text}");
        assert!(
            text.starts_with("recipe = \"vae\"\n\n[model]\nkind = \"vae\"\nconv = []\nhidden = []\nlatent = 20\n"),
            "{text}"
        );
    }

    #[test]
    fn what_no_run_can_use_is_refused_by_key() {
        let cases = [
            ("[model]\nlatent = 0", "model.latent must be at least 1, not 0"),
            ("[model]\nsamples = 0", "model.samples must be at least 1, not 0"),
            ("[model]\nhidden = [400, 0]", "model.hidden has a layer of 0 units: [400, 0]"),
            ("[model]\nvariance = 0.0", "model.variance must be finite and above 0, not 0"),
            ("[model]\nvariance = nan", "model.variance must be finite and above 0, not NaN"),
            ("[model]\nbeta = -1.0", "model.beta must be at least 0 at every step, not -1"),
            ("[data]\nname = ''", "data.name is empty: give the name of a data set or a folder"),
            ("[optimizer]\nlearning_rate = 0", "optimizer.learning_rate must be above 0 at some step"),
            (
                "[optimizer]\nlearning_rate = {from = 1e-3, to = -1e-3, steps = 5}",
                "optimizer.learning_rate must be at least 0 at every step, not -0.001",
            ),
            ("[optimizer]\nbeta1 = 1.0", "optimizer.beta1 must be at least 0 and below 1, not 1"),
            ("[optimizer]\nbeta2 = -0.1", "optimizer.beta2 must be at least 0 and below 1, not -0.1"),
            ("[optimizer]\nepsilon = inf", "optimizer.epsilon must be finite and above 0, not inf"),
            ("[optimizer]\nkind = 'sgd'\nmomentum = nan", "optimizer.momentum must be at least 0 and below 1, not NaN"),
            ("[train]\nbatch = 0", "train.batch must be at least 1, not 0"),
            ("[train]\nbatch = 1048577", "train.batch must be at most 1048576, not 1048577"),
            ("[model]\nlatent = 1000000000000", "model.latent must be at most 1048576, not 1000000000000"),
            ("[train]\nlog_every = 0", "train.log_every must be at least 1, not 0"),
            (
                "[train]\nalternate = [5]",
                "train.alternate must be [decoder steps, encoder steps], each at least 1, or empty, not [5]",
            ),
            (
                "[train]\nalternate = [5, 0]",
                "train.alternate must be [decoder steps, encoder steps], each at least 1, or empty, not [5, 0]",
            ),
            ("[train]\nalternate = [5, 4294967296]", "train.alternate must be at most 4294967295 each, not 4294967296"),
            (
                "[train]\nalternate = [1, 1]\n[classifier]\nclasses = 2",
                "train.alternate is for an autoencoder: with classifier.classes it must be []",
            ),
            (
                "[train]\npretrain = 1\n[classifier]\nclasses = 2",
                "train.pretrain is for an autoencoder: with classifier.classes it must be 0",
            ),
            ("[classifier]\nclasses = 1", "classifier.classes must be 0 or from 2 to 256, not 1"),
            ("[classifier]\nclasses = 257", "classifier.classes must be 0 or from 2 to 256, not 257"),
            ("[classifier]\nfreeze = true", "classifier.freeze needs a classifier: classifier.classes is 0"),
            ("[classifier]\nfrom = 'runs/ae'", "classifier.from needs a classifier: classifier.classes is 0"),
            ("[train]\nepochs = 0", "train.epochs and train.steps are both 0: there is nothing to train"),
            ("[train]\nsteps = 4294967296", "train.steps must be at most 4294967295, not 4294967296"),
        ];
        for (text, want) in cases {
            let e = resolve(&text.parse().unwrap()).unwrap_err();
            assert_eq!((e.to_string().as_str(), e.exit_code()), (want, 2), "{text}");
        }
        let mut c = Config::default();
        c.train.seed = u64::MAX;
        assert!(c.validate().unwrap_err().to_string().starts_with("train.seed must be at most"));
        c.train.seed = 0;
        c.model = Model::Vae(Vae { beta: Schedule::Constant(f64::INFINITY), ..Vae::default() });
        assert_eq!(c.validate().unwrap_err().to_string(), "model.beta: a schedule must stay finite, not reach inf");
        c.model = Model::Vae(Vae { beta: Schedule::Piecewise { values: vec![], at: vec![] }, ..Vae::default() });
        assert!(c.validate().unwrap_err().to_string().starts_with("model.beta: `at` must begin with step 0"));
    }

    #[test]
    fn linear_models_warm_up_and_steps_without_epochs_are_allowed() {
        for text in [
            "[model]\nhidden = []",
            "[optimizer]\nlearning_rate = {from = 0, to = 1e-3, steps = 100}",
            "[train]\nepochs = 0\nsteps = 5",
            "[data]\nbinarise = 'none'",
        ] {
            resolve(&text.parse().unwrap()).unwrap();
        }
    }
}

//! `elbo finetune RUN`: the encoder of a run under a softmax, trained on labels.

use super::common::{Changes, Common, Length, load_data};
use super::train::{Sitting, carry_out};
use crate::config::{self, Config, Model};
use crate::train::labels;
use crate::values::{Error, Result};
use std::path::{Path, PathBuf};

/// Arguments of `elbo finetune`.
#[derive(clap::Args)]
pub struct Args {
    /// The folder of a run, as `elbo train` left it
    run: PathBuf,
    /// Keep the encoder's weights, and train the softmax alone: a linear probe
    #[arg(long)]
    freeze: bool,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    length: Length,
    /// The new run's folder [default: RUN-finetuned, or RUN-probe with --freeze]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    sitting: Sitting,
}

/// Passes over the training set where nothing else is said.
const EPOCHS: u64 = 10;

pub fn run(a: Args) -> Result<u8> {
    let mut config = settings(&a)?;
    a.length.apply(&mut config)?;
    if matches!(config.model, Model::VqVae(_) | Model::VqVae2(_)) {
        return Err(Error::usage(format!(
            "{} cannot be fine-tuned: the codes of a {} are whole numbers, which no softmax weighs",
            a.run.display(),
            config.model.kind()
        )));
    }
    let data = load_data(&config)?;
    if config.classifier.classes == 0 {
        config.classifier.classes = labels::classes(&data)?;
    }
    config.classifier.freeze |= a.freeze;
    let absolute = std::path::absolute(&a.run).map_err(|e| Error::io("cannot find", &a.run, &e))?;
    config.classifier.from = absolute.display().to_string();
    config.validate()?;
    let out =
        a.out.clone().unwrap_or_else(|| beside(&a.run, if config.classifier.freeze { "probe" } else { "finetuned" }));
    carry_out(&config, Some(data), &a.common, &a.sitting, out)
}

/// The settings of the run, with what is of its own training left out, and the changes.
fn settings(a: &Args) -> Result<Config> {
    let path = a.run.join("config.toml");
    if !path.is_file() {
        return Err(Error::usage(format!("{} is no run: it holds no config.toml", a.run.display())));
    }
    let path = path.display().to_string();
    let there = config::resolve(&config::load(&path)?)?;
    if there.classifier.wanted() {
        return Err(Error::usage(format!(
            "{} is a classifier already: elbo train {path} --resume --out {} --epochs N goes on with it",
            a.run.display(),
            a.run.display()
        )));
    }
    let own = [
        "train.alternate=[]".to_string(),
        "train.pretrain=0".to_string(),
        format!("train.epochs={EPOCHS}"),
        "train.steps=0".to_string(),
    ];
    let set = own.into_iter().chain(a.changes.set.iter().cloned()).collect();
    Changes { set, ..a.changes.clone() }.resolve(&path)
}

/// `runs/ae` → `runs/ae-finetuned`.
fn beside(run: &Path, what: &str) -> PathBuf {
    // `.` has no name of its own.
    let named = match run.file_name() {
        Some(_) => run.into(),
        None => std::path::absolute(run).unwrap_or_else(|_| run.into()),
    };
    let name = named.file_name().map_or_else(|| "run".into(), |n| n.to_string_lossy().into_owned());
    named.with_file_name(format!("{name}-{what}"))
}

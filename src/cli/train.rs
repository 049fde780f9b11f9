//! `elbo train RECIPE`.

use super::common::{Changes, Common, Length, load_data, recipe_list, show};
use crate::config::{Binarise, Config};
use crate::data::{Dataset, Images};
use crate::exec::Executor;
use crate::models;
use crate::train::{Ending, RunOptions, Session, Start, progress, run_recovering};
use crate::values::{Error, Result, note};
use serde_json::{Map, json};
use std::path::{Path, PathBuf};

/// Arguments of `elbo train`.
#[derive(clap::Args)]
pub struct Args {
    /// A recipe by name, or a .toml file (the config.toml of a run is one)
    recipe: Option<String>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    length: Length,
    /// The run's folder [default: runs/RECIPE]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    sitting: Sitting,
}

/// How a run is made: what `train` and `finetune` share.
#[derive(clap::Args, Clone)]
pub struct Sitting {
    /// Replace a run folder that exists
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Go on from the last whole checkpoint of the run folder
    #[arg(long)]
    resume: bool,
    /// Refuse to begin where the run would need more on the device, as in 512MiB or 4GiB
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_memory: Option<u64>,
    /// Time the kernels of some early steps: profile.txt, and profile.json for Perfetto or chrome://tracing
    #[arg(long)]
    profile: bool,
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

impl Sitting {
    /// Whether it goes on.
    pub fn goes_on(&self) -> bool {
        self.resume
    }

    /// Whether it begins where nothing is.
    pub fn is_new(&self) -> bool {
        !self.force && !self.resume
    }

    /// The same for one folder of several: what has not begun cannot be gone on with, and begins.
    pub fn at(&self, out: &Path) -> Self {
        Self { resume: self.resume && out.exists(), ..self.clone() }
    }
}

pub fn run(a: Args) -> Result<u8> {
    let Some(recipe) = &a.recipe else {
        return Err(Error::usage(format!("`elbo train` needs a recipe:\n\n{}", recipe_list())));
    };
    let mut config = a.changes.resolve(recipe)?;
    a.length.apply(&mut config)?;
    let out = a.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&config.recipe));
    carry_out(&config, None, &a.common, &a.sitting, out)
}

/// Makes the run of these settings; `data` is theirs, where it was loaded already.
pub fn carry_out(config: &Config, data: Option<Dataset>, common: &Common, a: &Sitting, out: PathBuf) -> Result<u8> {
    let start = match (a.force, a.resume) {
        (true, _) => Start::Force,
        (_, true) => Start::Resume,
        _ => Start::New,
    };
    let options = RunOptions { out, start, quiet: a.quiet, profile: a.profile };
    options.check(config)?;
    let data = data.map_or_else(|| load_data(config), Ok)?;
    let exec = common.open()?;
    if !a.quiet {
        introduce(config, &data, &*exec, &options)?;
    }
    let shape = data.shape;
    let mut opened = Some((exec, data));
    let make = || {
        let again = || Ok((common.open()?, load_data(config)?));
        let (exec, data) = opened.take().map_or_else(again, Ok)?;
        Session::new(exec, config, data, a.max_memory)
    };
    let (session, outcome) = run_recovering(make, shape, &options)?;
    let dir = options.out.display();
    if outcome.skipped > 0 {
        note(format_args!(
            "{} of {} steps were skipped: something in them was not finite",
            outcome.skipped, outcome.steps
        ));
    }
    let test = match &outcome.ending {
        Ending::Done(test) => test,
        Ending::Interrupted(signal) => {
            note(format_args!("stopped and saved at step {}; go on with: {}", outcome.steps, resume_command()));
            return Ok(128 + signal);
        }
    };
    if let Some(text) = &outcome.verdict {
        note(format_args!("{text}"));
    }
    if a.json {
        let mut object = Map::new();
        object.insert("recipe".into(), json!(config.recipe));
        object.insert("device".into(), json!(session.exec.info().device));
        object.insert("adapter".into(), json!(session.exec.info().adapter));
        object.insert("steps".into(), json!(outcome.steps));
        object.insert("skipped".into(), json!(outcome.skipped));
        object.insert("seconds".into(), json!(outcome.seconds));
        object.extend(test.means.values().map(|(n, v)| (n.to_string(), json!(v))));
        object.extend(outcome.verdict.map(|text| ("verdict".into(), json!(text))));
        object.insert("run".into(), json!(options.out));
        show(&format!("{}\n", serde_json::Value::Object(object)))?;
        return Ok(0);
    }
    show(&format!("test {}\n", test.sentence()))?;
    if !a.quiet {
        note(format_args!(
            "{:.1} s of training; {dir}/ holds the checkpoint, metrics.jsonl{} and samples/",
            outcome.seconds,
            if options.out.join("profile.txt").is_file() { ", profile.txt, profile.json" } else { "" }
        ));
    }
    Ok(0)
}

/// The command that was given, to go on.
fn resume_command() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    let quoted =
        |a: String| if !a.is_empty() && a.chars().all(plain) { a } else { format!("'{}'", a.replace('\'', r"'\''")) };
    let words = std::env::args_os().map(|a| a.to_string_lossy().into_owned());
    let mut words: Vec<String> = words.filter(|a| a != "--force" && a != "--resume").collect();
    words.push("--resume".into());
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// `512MiB`, `4GiB`, `1000000`.
fn bytes(text: &str) -> std::result::Result<u64, String> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        _ => return Err(format!("`{unit}` is no unit: write KiB, MiB or GiB")),
    };
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is no size: write 512MiB or 4GiB"))?;
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))
}

fn introduce(c: &Config, data: &Dataset, exec: &dyn Executor, o: &RunOptions) -> Result<()> {
    let n = |v: usize| progress::thousands(v as u64);
    // First of all: it refuses examples that the network cannot take.
    let parameters = crate::train::programs::layout(c, data.shape.iter().product(), usize::MAX)?.count();
    let (info, features) = (exec.info(), data.shape.iter().product::<usize>());
    let driver = if info.driver.is_empty() { String::new() } else { format!("; driver {}", info.driver) };
    note(format_args!("device  {}: {}{driver}", info.device, info.adapter));
    let binarised = match c.data.binarise {
        _ if matches!(data.train.images, Images::Sprites(_)) => "drawn on the device",
        Binarise::Dynamic => "binarised anew at each use",
        Binarise::Static => "binarised once",
        Binarise::None => "grey levels",
    };
    let validation = match data.validation.len() {
        0 => String::new(),
        v => format!("{} validation, ", n(v)),
    };
    let (train, test) = (n(data.train.len()), n(data.test.len()));
    let each = match models::of(&c.model).autoregressive() {
        Some(_) => format!("{} codes an example", data.sequence.map_or(0, |s| s.frames)),
        None => format!("{features} features, {binarised}"),
    };
    note(format_args!("data    {}: {train} train, {validation}{test} test, {each}", data.name));
    note(format_args!("model   {}, {} parameters", models::architecture(c, features), n(parameters)));
    if !c.classifier.from.is_empty() {
        let kept = if c.classifier.freeze { ", which keeps its weights" } else { "" };
        note(format_args!("begins  with the encoder of {}{kept}", c.classifier.from));
    }
    note(format_args!("run     {}\n", o.out.display()));
    Ok(())
}

//! Options that several commands share.

use crate::config::{self, Config};
use crate::data::{self, Dataset};
use crate::exec::{self, Choice, Executor};
use crate::models;
use crate::values::{Error, Result};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// What is run, on what.
#[derive(clap::Args, Clone)]
pub struct Common {
    /// Where it runs: auto, cpu, gpu, gpu:N, gpu:NAME or reference (`elbo devices` lists adapters)
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: String,
    /// Threads of the cpu executor [default: all cores]; the result does not depend on it
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// What a recipe is changed to.
#[derive(clap::Args, Clone)]
pub struct Changes {
    /// A data set by name, or a folder or file of one (`elbo data` says which)
    #[arg(long, value_name = "NAME|PATH")]
    pub data: Option<String>,
    /// The seed of every random number
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Any setting of the recipe, as in `--set model.latent=10`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// How long a run goes on.
#[derive(clap::Args, Clone)]
pub struct Length {
    /// Passes over the training set
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub epochs: Option<u64>,
    /// Steps, in place of epochs
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub steps: Option<u64>,
}

/// A recipe with settings changed, checked.
pub fn resolve(recipe: &str, set: &[String]) -> Result<Config> {
    let mut table = config::load(recipe)?;
    for assignment in set {
        config::apply(&mut table, assignment)?;
    }
    config::resolve(&table)
}

impl Common {
    /// Opens the device.
    pub fn open(&self) -> Result<Box<dyn Executor>> {
        exec::open(&self.choice()?)
    }

    /// What `--device` says; `--threads` takes effect.
    pub fn choice(&self) -> Result<Choice> {
        let choice: Choice = self.device.parse()?;
        if let Some(n) = self.threads {
            if !(1..=1024).contains(&n) {
                return Err(Error::usage(format!("--threads must be from 1 to 1024, not {n}")));
            }
            // The pool can be built once; a second command in one process would keep the first.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(n).build_global();
        }
        Ok(choice)
    }
}

impl Changes {
    /// The same with further settings, which come last.
    pub fn and(&self, set: impl IntoIterator<Item = String>) -> Self {
        let mut more = self.clone();
        more.set.extend(set);
        more
    }

    /// The recipe with the changes, checked.
    pub fn resolve(&self, recipe: &str) -> Result<Config> {
        let mut c = resolve(recipe, &self.set)?;
        if let Some(name) = &self.data {
            c.data.name = name.clone();
        }
        c.data.name = data_name(&c.data.name);
        if !c.classifier.from.is_empty() {
            let from = &c.classifier.from;
            let absolute = std::path::absolute(from).map_err(|e| Error::io("cannot find", from.as_ref(), &e))?;
            c.classifier.from = absolute.display().to_string();
        }
        if let Some(seed) = self.seed {
            c.train.seed = seed;
        }
        c.validate()?;
        Ok(c)
    }
}

/// A data set's name as it is; a folder or a file by its whole path, so that a run finds it from any working directory.
pub fn data_name(name: &str) -> String {
    let known = data::names().any(|known| known == name);
    match std::path::absolute(name) {
        Ok(path) if !known && path.exists() => path.display().to_string(),
        _ => name.into(),
    }
}

impl Length {
    /// Puts the length into a config, which is checked again.
    pub fn apply(&self, c: &mut Config) -> Result<()> {
        if let Some(epochs) = self.epochs {
            (c.train.epochs, c.train.steps) = (epochs, 0);
        }
        if let Some(steps) = self.steps {
            c.train.steps = steps;
        }
        c.validate()
    }
}

/// Writes to stdout. A reader that has gone (`elbo plan vae | head`) has what it wanted.
pub fn show(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::failure(format!("cannot write the output: {e}"))),
        _ => Ok(()),
    }
}

/// Loads the data set of a config.
pub fn load_data(c: &Config) -> Result<Dataset> {
    let options =
        data::Options { validation: c.data.validation, test: c.data.test, label: c.data.label, limit: c.data.limit };
    let path = Path::new(&c.data.name);
    if models::of(&c.model).autoregressive().is_some() {
        return data::load_codes(path, &options);
    }
    // A model of sequences reads the second axis of arrays as time.
    let array = path.extension().is_some_and(|e| ["npy", "npz"].iter().any(|kind| e.eq_ignore_ascii_case(kind)));
    if array && models::of(&c.model).sequential().is_some() {
        return data::load_sequences(path, &options);
    }
    data::load(&c.data.name, &options)
}

/// The recipes, a line each, for `train` without one.
pub fn recipe_list() -> String {
    let width = config::names().map(str::len).max().unwrap_or(0);
    let line = |(name, text): &(&str, &str)| format!("  {name:<width$}  {}\n", config::summary(text));
    config::RECIPES.iter().map(line).collect()
}

/// What an adapter is, in words.
pub fn kind(info: &wgpu::AdapterInfo) -> &'static str {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "a discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "an integrated GPU",
        wgpu::DeviceType::VirtualGpu => "a virtual GPU",
        wgpu::DeviceType::Cpu => "software on the CPU",
        wgpu::DeviceType::Other => "a device of unknown kind",
    }
}

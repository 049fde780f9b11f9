//! Commands on a run: its config.toml says what it is, its newest whole checkpoint what it learned.

use super::common::{Common, load_data, show};
use crate::checkpoint::{self, Saved};
use crate::config::{self, Config, Model};
use crate::data::Dataset;
use crate::exec::Executor;
use crate::train::{CODES, Session};
use crate::values::{Error, Result};
use std::path::{Path, PathBuf};

/// What every command on a run takes.
#[derive(clap::Args, Clone)]
pub struct Run {
    /// The folder of a run, as `elbo train` left it
    pub run: PathBuf,
    #[command(flatten)]
    pub common: Common,
    /// A data set by name, or a folder, in place of the run's
    #[arg(long, value_name = "DIR|NAME")]
    pub data: Option<String>,
    /// The seed of the noise [default: the run's]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// A setting that no weight depends on, in place of the run's: model.alpha, or one of data
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// A run with its weights on a device.
pub struct Trained {
    /// The session; its training data is there too.
    pub session: Session,
    /// The step of the checkpoint.
    pub step: u64,
    /// What tells the checkpoint from others; see [`Saved::label`].
    pub checkpoint: String,
    /// The data set.
    pub data: Dataset,
}

impl Run {
    /// The same run as it is: its own data, seed and settings.
    pub fn plain(&self) -> Self {
        Self { data: None, seed: None, set: vec![], ..self.clone() }
    }

    /// The run's settings.
    pub fn config(&self) -> Result<Config> {
        let path = self.run.join("config.toml");
        if !path.is_file() {
            let text = format!("{} is no run: it holds no config.toml", self.run.display());
            return Err(Error::usage(text));
        }
        let mut table = config::load(&path.display().to_string())?;
        for assignment in &self.set {
            let key = assignment.split('=').next().unwrap_or_default().trim();
            if key != checkpoint::UNTRAINED && !key.starts_with("data.") {
                return Err(Error::usage(format!(
                    "--set {assignment}: the weights of a run are of its own settings; what may be others are {} and those \
                     of data",
                    checkpoint::UNTRAINED
                )));
            }
            config::apply(&mut table, assignment)?;
        }
        let mut c = config::resolve(&table)?;
        if let Some(name) = &self.data {
            c.data.name = super::common::data_name(name);
        } else if matches!(c.model, Model::Prior(_)) {
            // Its codes lie beside it, wherever the run was when it was trained.
            let path = std::path::absolute(&self.run).map_err(|e| Error::io("cannot find", &self.run, &e))?;
            let name = Path::new(&c.data.name).file_name();
            let beside = path.parent().zip(name).map(|(run, name)| run.join(CODES).join(name));
            if let Some(beside) = beside.filter(|dir| dir.is_dir()) {
                c.data.name = beside.display().to_string();
            }
        }
        Ok(c)
    }

    /// Opens the device and puts the newest whole checkpoint on it.
    pub fn open(&self) -> Result<Trained> {
        self.opened(|exec, c, data| Session::new(exec, c, data, None))
    }

    /// The same to encode with alone.
    pub fn open_encoder(&self) -> Result<Trained> {
        self.opened(Session::encoder)
    }

    /// The same as [`Run::open`], with the first weights: the step is 0.
    pub fn open_untrained(&self) -> Result<Trained> {
        let c = self.config()?;
        let data = load_data(&c)?;
        let mut session = Session::new(self.common.open()?, &c, data.clone(), None)?;
        session.config.train.seed = self.seed.unwrap_or(c.train.seed);
        session.begin_epoch(0)?;
        session.begin()?;
        Ok(Trained { session, step: 0, checkpoint: String::new(), data })
    }

    /// A session that encodes other data than the run's, by its newest whole checkpoint or by its first weights.
    pub fn encoder_of(&self, data: Dataset, untrained: bool) -> Result<Session> {
        let mut session = Session::encoder(self.common.open()?, &self.config()?, data)?;
        if !untrained {
            checkpoint::restore(&mut session, &self.saved()?, false)?;
        }
        Ok(session)
    }

    /// The newest whole checkpoint.
    pub fn saved(&self) -> Result<Saved> {
        checkpoint::latest(&self.run)?
            .ok_or_else(|| Error::failure(format!("{} has no checkpoint yet", self.run.display())))
    }

    fn opened(&self, make: fn(Box<dyn Executor>, &Config, Dataset) -> Result<Session>) -> Result<Trained> {
        let c = self.config()?;
        let saved = self.saved()?;
        let data = load_data(&c)?;
        let mut session = make(self.common.open()?, &c, data.clone())?;
        if let Some(what) = checkpoint::misfit(&session, &saved) {
            let [h, w, channels] = data.shape;
            return Err(Error::usage(format!(
                "the examples of `{}`, {h} × {w} × {channels}, do not fit the run {}: {what}; give data of the size that it was \
                 trained on",
                data.name,
                self.run.display()
            )));
        }
        checkpoint::restore(&mut session, &saved, false)?;
        if let Some(seed) = self.seed {
            session.config.train.seed = seed;
        }
        Ok(Trained { session, step: saved.step, checkpoint: saved.label(), data })
    }

    /// Where a picture goes: what was asked, or a name in the run's samples/.
    pub fn place(&self, out: &Option<PathBuf>, name: &str) -> PathBuf {
        out.clone().unwrap_or_else(|| self.run.join("samples").join(name))
    }
}

/// Says where something was written.
pub fn wrote(path: &Path) -> Result<()> {
    show(&format!("{}\n", path.display()))
}

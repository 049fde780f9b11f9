//! One training run: the loop over steps, evaluation, and the folder that it leaves.

use super::interrupt;
use super::pictures::{self, Standing};
use super::profile::Profile;
use super::{Evaluation, Means, Progress, Record, Session};
use crate::checkpoint::{self, write_whole};
use crate::config::{self, Config, Model};
use crate::exec::Ticket;
use crate::graph::SKIPPED;
use crate::models;
use crate::values::{Error, Result, note};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How a run is made, beside its config.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The run's folder.
    pub out: PathBuf,
    /// What becomes of a folder that exists.
    pub start: Start,
    /// Show no progress.
    pub quiet: bool,
    /// Time the dispatches of some early steps, and leave `profile.txt` and `profile.json`.
    pub profile: bool,
}

/// How a run begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// In a folder that does not exist.
    New,
    /// Anew, in place of a run that may exist.
    Force,
    /// Where the last checkpoint of the run left off.
    Resume,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// Steps made, those of earlier sittings included.
    pub steps: u64,
    /// Steps whose changes were left out because something was not finite.
    pub skipped: u32,
    /// Seconds of training in this sitting, without evaluation.
    pub seconds: f64,
    /// What the model has to say of a run at its end, beyond the numbers.
    pub verdict: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// At its last step, with the evaluation of the test set.
    Done(Evaluation),
    /// At a signal of this number, after saving.
    Interrupted(u8),
}

/// The folder, in a run's own, of the codes of its data, one a checkpoint.
pub const CODES: &str = "codes";

/// The folder, in a run's own, of the prior over the codes of a level.
pub fn prior_folder(level: &str) -> String {
    if level.is_empty() { "prior".into() } else { format!("prior-{level}") }
}

/// Wall time that one submit should take.
const SUBMIT_SECONDS: f64 = 0.05;
/// Submits in flight: the host must not run ahead without end, or an interrupt waits.
const IN_FLIGHT: usize = 2;
/// Steps before the first that is profiled: caches and clocks are cold at first.
const WARM_UP: u64 = 5;

impl RunOptions {
    /// Refuses a folder that does not fit the start, and a resumed run whose settings are others; writes nothing.
    pub fn check(&self, c: &Config) -> Result<()> {
        let dir = self.out.display();
        match self.start {
            _ if self.out.exists() && !self.out.is_dir() => {
                Err(Error::usage(format!("{dir} is a file, and a run is a folder: --out DIR goes elsewhere")))
            }
            Start::New if self.out.exists() && !self.is_empty() => Err(Error::usage(format!(
                "the run folder {dir} exists; --resume goes on with it, --force replaces it, --out DIR goes elsewhere"
            ))),
            // A run that was killed before it had written its settings.
            Start::Resume if self.just_begun() => Ok(()),
            Start::Resume if !self.out.join("config.toml").is_file() => {
                Err(Error::usage(format!("there is no run to resume in {dir}: it holds no config.toml")))
            }
            Start::Resume => {
                let path = self.out.join("config.toml");
                let mut there = config::resolve(&config::load(&path.display().to_string())?)?;
                // Codes are named by the checkpoint that they are made of, wherever they lie.
                let codes = |c: &Config| Path::new(&c.data.name).file_name().map(ToOwned::to_owned);
                if matches!((&c.model, &there.model), (Model::Prior(_), Model::Prior(_))) && codes(c) == codes(&there) {
                    there.data.name.clone_from(&c.data.name);
                }
                let free = |key: &str| checkpoint::FREE.contains(&key);
                match config::differences(c, &there).into_iter().find(|(key, _)| !free(key)) {
                    Some((_, text)) => Err(Error::usage(format!(
                        "the run in {dir} cannot be resumed with other settings: {text}; give its own, or --out DIR \
                         for another run"
                    ))),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(&self.out).is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Whether the folder is there and holds nothing but what the first write of a run leaves when it is killed.
    fn just_begun(&self) -> bool {
        let only = |e: std::io::Result<fs::DirEntry>| e.is_ok_and(|e| e.file_name() == "config.toml.tmp");
        fs::read_dir(&self.out).is_ok_and(|mut entries| entries.all(only))
    }

    /// Makes the folder and writes the settings: a run is its own recipe.
    fn prepare(&self, c: &Config) -> Result<()> {
        fs::create_dir_all(&self.out).map_err(|e| Error::io("cannot make the folder", &self.out, &e))?;
        // First of all where there are none, for a run that is killed here to be one that can be resumed; last where
        // there are others, for settings never to be beside checkpoints of others.
        let settings = || write_whole(&self.out, "config.toml", c.to_toml().as_bytes());
        let others = self.out.join("config.toml").exists();
        if !others {
            settings()?;
        }
        checkpoint::clean(&self.out)?;
        if self.start == Start::Force {
            for name in ["profile.txt", "profile.json"] {
                let old = self.out.join(name);
                if old.exists() {
                    fs::remove_file(&old).map_err(|e| Error::io("cannot remove", &old, &e))?;
                }
            }
        }
        // Of another run are what `elbo prior` made of it, too.
        let levels = models::LEVELS.map(prior_folder);
        for name in levels.iter().map(String::as_str).chain([CODES]).filter(|_| self.start == Start::Force) {
            let sub = self.out.join(name);
            if sub.is_dir() {
                fs::remove_dir_all(&sub).map_err(|e| Error::io("cannot empty", &sub, &e))?;
            }
        }
        for name in ["checkpoints", "samples"] {
            let sub = self.out.join(name);
            if sub.exists() && self.start == Start::Force {
                fs::remove_dir_all(&sub).map_err(|e| Error::io("cannot empty", &sub, &e))?;
            }
            fs::create_dir_all(&sub).map_err(|e| Error::io("cannot make the folder", &sub, &e))?;
        }
        if others { settings() } else { Ok(()) }
    }
}

/// Trains a session to the end of its config, and writes everything to the run's folder.
pub fn run(session: &mut Session, shape: [usize; 3], o: &RunOptions) -> Result<Outcome> {
    o.check(&session.config)?;
    interrupt::listen()?;
    let config = session.config.clone();
    let mut t = Trainer::new(session, o)?;
    let (total, per_epoch) = (t.total, t.per_epoch);
    // A run without checkpoints on the way has one at its end.
    let every = if config.checkpoint.every > 0 { config.checkpoint.every } else { total };
    let (mut step, mut ordered) = (t.first, None);
    // Steps like any other, with the same bits, but timed: a few after the first, which are not yet warm.
    let warm = t.first + ((total - t.first) / 2).min(WARM_UP);
    let profiled = if o.profile { warm..total.min(warm + Profile::STEPS) } else { total..total };
    let mut profile = Profile::default();
    while step < total {
        let epoch = step / per_epoch;
        if ordered != Some(epoch) {
            session.begin_epoch(epoch)?;
            ordered = Some(epoch);
        }
        // A submit ends where an epoch, a phase, a checkpoint or the run ends.
        let end = total.min((epoch + 1) * per_epoch).min((step / every + 1) * every).min(session.phase_end(step));
        let end = if step < profiled.start { end.min(profiled.start) } else { end };
        let wanted = (SUBMIT_SECONDS / t.step_seconds).clamp(1.0, session.group_limit() as f64);
        let count = (wanted as u64).min(end - step);
        if profiled.contains(&step) {
            t.collect(session, 0)?;
            let metrics = profile.step(session, step)?;
            t.take(session, step, &[metrics])?;
            t.last = Instant::now();
            step += 1;
            if step == profiled.end {
                profile.write(session, &o.out)?;
            }
        } else {
            let ticket = session.submit(step, count as usize)?;
            t.pending.push_back((ticket, step, count));
            step += count;
        }
        let signal = interrupt::received();
        let boundary = step == total || step % per_epoch == 0;
        let save = step % every == 0 || step == total || signal.is_some();
        t.collect(session, if boundary || save { 0 } else { IN_FLIGHT - 1 })?;
        // Before the checkpoint: whoever goes on from it finds every line up to it.
        if boundary && session.stage(step - 1).2.is_none() && session.has_validation() {
            let e = session.evaluate("validation")?;
            t.record.line("validation", step, &e.means, &[])?;
            t.bar.line(&format!("validation {}", e.sentence()));
        }
        // Among steps that are being skipped nothing new is learned: what was saved before must not be pushed out.
        if save && (t.skipped_in_a_row == 0 || step == total || signal.is_some()) {
            t.record.sync()?;
            checkpoint::save(session, step, &t.progress(), &o.out)?;
        }
        if let Some(signal) = signal.filter(|_| step < total) {
            return t.outcome(session, Ending::Interrupted(signal), step);
        }
    }
    let test = session.evaluate("test")?;
    let outcome = t.outcome(session, Ending::Done(test.clone()), step)?;
    let verdict = outcome.verdict.iter().map(|text| ("verdict", json!(text)));
    let more: Vec<_> = [("skipped", json!(outcome.skipped))].into_iter().chain(verdict).collect();
    t.record.line("test", step, &test.means, &more)?;
    let at = Standing { step, test: &test, verdict: outcome.verdict.as_deref() };
    pictures::draw(session, shape, &o.out, &at)?;
    Ok(outcome)
}

struct Trainer {
    batch: f64,
    record: Record,
    bar: Progress,
    line: Means,
    epoch: Means,
    log_every: u64,
    max_skipped: u64,
    precision: config::Precision,
    skipped_in_a_row: u64,
    /// The first step of a layer's training, the step after its last, and the layer; see [`Session::stage`].
    stage: (u64, u64, Option<usize>),
    /// The column that says that a step was skipped.
    skipped_column: usize,
    per_epoch: u64,
    first: u64,
    total: u64,
    pending: VecDeque<(Ticket, u64, u64)>,
    started: Instant,
    epoch_started: Instant,
    step_seconds: f64,
    last: Instant,
}

impl Trainer {
    fn new(session: &mut Session, o: &RunOptions) -> Result<Self> {
        let config = session.config.clone();
        let per_epoch = session.steps_per_epoch();
        let total = match config.train.steps {
            0 => config.train.epochs.saturating_mul(per_epoch),
            steps => steps,
        };
        let total = total.saturating_add(session.pretraining());
        if total > u64::from(u32::MAX) {
            let text = "the step is one 32-bit word of every random number";
            return Err(Error::usage(format!(
                "{} epochs are {total} steps, more than {}: {text}",
                config.train.epochs,
                u32::MAX
            )));
        }
        let (mut first, mut progress) = (0, checkpoint::Progress::default());
        let device = json!({ "device": session.exec.info().device, "adapter": session.exec.info().adapter });
        if o.start == Start::Resume {
            match checkpoint::latest(&o.out)? {
                Some(saved) => {
                    if saved.step > total {
                        let text = "there is nothing left to do; give more --epochs or --steps";
                        return Err(Error::usage(format!(
                            "the run is at step {} of {total} already: {text}",
                            saved.step
                        )));
                    }
                    checkpoint::restore(session, &saved, true)?;
                    first = saved.step;
                    progress = saved.progress.clone();
                    note(format_args!("resumed at step {first} of {total}"));
                    note_device(&o.out, first, &device);
                    if config.checkpoint.dtype == config::ElementType::F16 {
                        note(format_args!(
                            "note: checkpoint.dtype is f16: weights were rounded, the run is not continued bit for bit"
                        ));
                    }
                }
                None => note(format_args!("{} has no checkpoint yet: starting at step 0", o.out.display())),
            }
        }
        if first == 0 && !config.classifier.from.is_empty() {
            checkpoint::begin(session, Path::new(&config.classifier.from))?;
        }
        o.prepare(&config)?;
        let mut record = Record::open(&o.out, first)?;
        let version = json!(env!("CARGO_PKG_VERSION"));
        record.line("start", first, &Means::default(), &[("device", device), ("elbo", version)])?;
        let mut trainer = Self {
            batch: config.train.batch as f64,
            record,
            bar: Progress::new(total, total.div_ceil(per_epoch), o.quiet),
            line: Means::default(),
            epoch: Means::default(),
            stage: (0, 0, None),
            log_every: config.train.log_every,
            max_skipped: config.train.max_skipped,
            precision: config.train.precision,
            skipped_in_a_row: progress.skipped_in_a_row,
            skipped_column: 0,
            per_epoch,
            first,
            total,
            pending: VecDeque::new(),
            started: Instant::now(),
            epoch_started: Instant::now(),
            step_seconds: SUBMIT_SECONDS,
            last: Instant::now(),
        };
        trainer.enter(session, first);
        // Sums of the stage before, which ended there, have other columns and are 0.
        trainer.line.set_bits(&progress.line);
        trainer.epoch.set_bits(&progress.epoch);
        Ok(trainer)
    }

    /// Begins with the stage that `step` belongs to: its columns.
    fn enter(&mut self, session: &Session, step: u64) {
        let names = session.columns(step);
        self.skipped_column = names.iter().position(|n| n == SKIPPED).unwrap_or(names.len());
        let terms = &names[..self.skipped_column];
        (self.line, self.epoch) = (Means::new(terms), Means::new(terms));
        self.stage = session.stage(step);
        let layers = session.layers();
        self.bar.stage(self.stage.2.map_or(String::new(), |layer| format!("layer {}/{layers}  ", layer + 1)));
    }

    /// What every line of the metrics says beside the means.
    fn place(&self, epoch: u64) -> Vec<(&'static str, Value)> {
        let layer = self.stage.2.map(|layer| ("layer", json!(layer + 1)));
        [("epoch", json!(epoch + 1))].into_iter().chain(layer).collect()
    }

    /// Takes in the metrics of the oldest submits until at most `leave` are in flight.
    fn collect(&mut self, session: &mut Session, leave: usize) -> Result<()> {
        while self.pending.len() > leave {
            let Some((ticket, from, count)) = self.pending.pop_front() else { break };
            let rows = session.exec.fetch(ticket)?;
            let now = Instant::now();
            let each = (now - self.last).as_secs_f64() / count as f64;
            self.step_seconds = if from == self.first { each } else { 0.7 * self.step_seconds + 0.3 * each };
            self.last = now;
            self.take(session, from, &rows)?;
        }
        Ok(())
    }

    /// Takes in the metrics of the steps from `from` on.
    fn take(&mut self, session: &mut Session, from: u64, rows: &[Vec<f32>]) -> Result<()> {
        if from >= self.stage.1 {
            self.enter(session, from);
        }
        for (i, row) in rows.iter().enumerate() {
            let step = from + i as u64;
            // A submit ends where an epoch does, and nothing after it is in flight: the state is that of the epoch's end.
            let ends = (step + 1).is_multiple_of(self.per_epoch);
            // Entries age by the steps that were not skipped: the epoch's, of which this one is not yet counted.
            let made = (self.epoch.weight() / self.batch) as u64 + u64::from(!self.skipped(row));
            let used = if ends { session.recently_used(made)? } else { Vec::new() };
            self.step(step, row, &used)?;
        }
        Ok(())
    }

    /// Whether a step's metrics say that it changed nothing.
    fn skipped(&self, row: &[f32]) -> bool {
        row.get(self.skipped_column).is_some_and(|&s| s > 0.0)
    }

    /// `used`: what the end of an epoch has to say beside the means.
    fn step(&mut self, step: u64, row: &[f32], used: &[(String, f64)]) -> Result<()> {
        let (done, epoch) = (step + 1, step / self.per_epoch);
        if self.skipped(row) {
            // Its numbers mean nothing: they are left out of the means.
            self.skipped_in_a_row += 1;
            if self.skipped_in_a_row >= self.max_skipped {
                self.bar.finish();
                let range = match self.precision {
                    config::Precision::F32 => "",
                    config::Precision::Mixed => ", or train.precision=f32: binary16 ends at 65504",
                };
                return Err(Error::failure(format!(
                    "{} steps in a row, up to step {done}, had a loss or a gradient that is not finite; the checkpoints \
                     before are untouched; a smaller optimizer.learning_rate is what most often helps{range}",
                    self.skipped_in_a_row
                )));
            }
        } else {
            self.skipped_in_a_row = 0;
            self.line.add(row, self.batch);
            self.epoch.add(row, self.batch);
        }
        // Layers have losses of their own, and no line is of two.
        if done % self.log_every == 0 || done == self.stage.1 {
            self.record.line("train", done, &self.line, &self.place(epoch))?;
            self.bar.at(done, epoch, &self.line, self.batch / self.step_seconds);
            self.line.clear();
        }
        if done % self.per_epoch == 0 {
            // In a sitting that began within the epoch, only its own steps count for the speed.
            let steps = done - self.first.max(epoch * self.per_epoch);
            let speed = self.batch * steps as f64 / self.epoch_started.elapsed().as_secs_f64();
            let used = used.iter().map(|(name, n)| (name.as_str(), json!(n))).collect();
            let more = [self.place(epoch), vec![("examples_per_s", json!(speed))], used].concat();
            self.record.line("epoch", done, &self.epoch, &more)?;
            self.bar.epoch(epoch, &self.epoch, speed);
            self.epoch.clear();
            self.epoch_started = Instant::now();
        }
        Ok(())
    }

    fn progress(&self) -> checkpoint::Progress {
        let skipped_in_a_row = self.skipped_in_a_row;
        checkpoint::Progress { epoch: self.epoch.bits(), line: self.line.bits(), skipped_in_a_row }
    }

    fn outcome(&self, session: &mut Session, ending: Ending, steps: u64) -> Result<Outcome> {
        self.bar.finish();
        let skipped = session.exec.read("guard/skipped")?.u32()[0];
        let verdict = match &ending {
            Ending::Done(test) => session.verdict(test)?,
            Ending::Interrupted(_) => None,
        };
        Ok(Outcome { ending, steps, skipped, seconds: self.started.elapsed().as_secs_f64(), verdict })
    }
}

/// Says so where a run goes on on another device than the one that it was on. Of the cpu no bit depends on how many threads
/// there are.
fn note_device(run: &Path, first: u64, now: &Value) {
    let of_cpu = |v: &Value| v["device"] == "cpu";
    if let Some(before) = Record::last(run, "start", "device", first)
        && before != *now
        && !(of_cpu(&before) && of_cpu(now))
    {
        let name =
            |v: &Value| format!("{} ({})", v["device"].as_str().unwrap_or("?"), v["adapter"].as_str().unwrap_or("?"));
        note(format_args!(
            "note: the run was on {} and goes on on {}: no longer bit for bit",
            name(&before),
            name(now)
        ));
    }
}

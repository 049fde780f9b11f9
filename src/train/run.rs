//! One training run: the loop over steps, evaluation, and the folder that it leaves.

use super::{Evaluation, Means, Progress, Record, Session};
use crate::checkpoint;
use crate::exec::Ticket;
use crate::report;
use crate::values::{Error, Result};
use serde_json::json;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How a run is made, beside its config.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The run's folder.
    pub out: PathBuf,
    /// Replace a folder that exists.
    pub force: bool,
    /// Show no progress.
    pub quiet: bool,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The evaluation of the test set.
    pub test: Evaluation,
    /// Steps made.
    pub steps: u64,
    /// Steps whose changes were left out because something was not finite.
    pub skipped: u32,
    /// Seconds of training, without evaluation.
    pub seconds: f64,
}

/// Wall time that one submit should take.
const SUBMIT_SECONDS: f64 = 0.05;
/// Submits in flight: the host must not run ahead without end, or an interrupt waits.
const IN_FLIGHT: usize = 2;

/// Makes the folder of a run: it must not exist, or `force` empties it of what elbo writes.
pub fn prepare_folder(o: &RunOptions) -> Result<()> {
    let dir = &o.out;
    if dir.exists() && !o.force {
        let text = "--force replaces it, --out DIR goes elsewhere";
        return Err(Error::usage(format!("the run folder {} exists; {text}", dir.display())));
    }
    for name in ["checkpoints", "samples"] {
        let sub = dir.join(name);
        if sub.exists() {
            fs::remove_dir_all(&sub).map_err(|e| Error::io("cannot empty", &sub, &e))?;
        }
        fs::create_dir_all(&sub).map_err(|e| Error::io("cannot make the folder", &sub, &e))?;
    }
    Ok(())
}

/// Trains a session to the end of its config, and writes everything to the run's folder.
pub fn run(session: &mut Session, shape: &[usize], o: &RunOptions) -> Result<Outcome> {
    let config = session.config.clone();
    write(&o.out.join("config.toml"), config.to_toml().as_bytes())?;
    let mut record = Record::create(&o.out)?;
    let per_epoch = session.steps_per_epoch();
    let total = if config.train.steps > 0 { config.train.steps } else { config.train.epochs * per_epoch };
    let names = session.train.plan.log.as_ref().map(|l| l.names.clone()).unwrap_or_default();
    let mut trainer = Trainer {
        batch: config.train.batch as f64,
        record: &mut record,
        progress: Progress::new(total, total.div_ceil(per_epoch), o.quiet),
        line: Means::new(&names),
        epoch: Means::new(&names),
        log_every: config.train.log_every,
        per_epoch,
        pending: VecDeque::new(),
        started: Instant::now(),
        epoch_started: Instant::now(),
        step_seconds: SUBMIT_SECONDS,
        last: Instant::now(),
    };
    // A run without checkpoints on the way has one at its end.
    let every = if config.checkpoint.every > 0 { config.checkpoint.every } else { total };
    let mut step = 0;
    while step < total {
        if step % per_epoch == 0 {
            session.begin_epoch(step / per_epoch)?;
        }
        // A submit ends where an epoch, a checkpoint or the run ends.
        let end = total.min((step / per_epoch + 1) * per_epoch).min((step / every + 1) * every);
        let wanted = (SUBMIT_SECONDS / trainer.step_seconds).clamp(1.0, session.group_limit() as f64);
        let count = (wanted as u64).min(end - step);
        let ticket = session.submit(step, count as usize)?;
        trainer.pending.push_back((ticket, step, count));
        step += count;
        let boundary = step == total || step % per_epoch == 0;
        let checkpoint = step % every == 0 && step < total;
        trainer.collect(session, if boundary || checkpoint { 0 } else { IN_FLIGHT - 1 })?;
        if boundary && session.has_validation() {
            let e = session.evaluate("validation")?;
            trainer.record.line("validation", step, &e.means, &[])?;
        }
        if checkpoint {
            checkpoint::save(session, step, &o.out)?;
        }
    }
    let seconds = trainer.started.elapsed().as_secs_f64();
    trainer.progress.finish();
    checkpoint::save(session, total, &o.out)?;
    let skipped = session.exec.read("guard/skipped")?.u32()[0];
    let test = session.evaluate("test")?;
    record.line("test", total, &test.means, &[("skipped", json!(skipped)), ("seconds", json!(seconds))])?;
    pictures(session, shape, &o.out.join("samples"))?;
    Ok(Outcome { test, steps: total, skipped, seconds })
}

struct Trainer<'a> {
    batch: f64,
    record: &'a mut Record,
    progress: Progress,
    line: Means,
    epoch: Means,
    log_every: u64,
    per_epoch: u64,
    pending: VecDeque<(Ticket, u64, u64)>,
    started: Instant,
    epoch_started: Instant,
    step_seconds: f64,
    last: Instant,
}

impl Trainer<'_> {
    /// Takes in the metrics of the oldest submits until at most `leave` are in flight.
    fn collect(&mut self, session: &mut Session, leave: usize) -> Result<()> {
        while self.pending.len() > leave {
            let Some((ticket, from, count)) = self.pending.pop_front() else { break };
            let rows = session.exec.fetch(ticket)?;
            let now = Instant::now();
            let each = (now - self.last).as_secs_f64() / count as f64;
            self.step_seconds = if from == 0 { each } else { 0.7 * self.step_seconds + 0.3 * each };
            self.last = now;
            for (i, row) in rows.iter().enumerate() {
                self.step(from + i as u64, row)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, step: u64, row: &[f32]) -> Result<()> {
        self.line.add(row, self.batch);
        self.epoch.add(row, self.batch);
        let (done, epoch) = (step + 1, step / self.per_epoch);
        if done % self.log_every == 0 {
            self.record.line("train", done, &self.line, &[("epoch", json!(epoch + 1))])?;
            self.progress.at(done, epoch, &self.line, self.batch / self.step_seconds);
            self.line.clear();
        }
        if done % self.per_epoch == 0 {
            let speed = self.epoch.weight() / self.epoch_started.elapsed().as_secs_f64();
            self.record.line(
                "epoch",
                done,
                &self.epoch,
                &[("epoch", json!(epoch + 1)), ("examples_per_s", json!(speed))],
            )?;
            self.progress.epoch(epoch, &self.epoch, speed);
            self.epoch.clear();
            self.epoch_started = Instant::now();
        }
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|e| Error::io("cannot write", path, &e))
}

/// A grid of samples, and one of test examples above their reconstructions.
fn pictures(session: &mut Session, shape: &[usize], dir: &Path) -> Result<()> {
    let &[height, width] = shape else { return Ok(()) };
    if let Some(samples) = session.sample(100)? {
        report::grid(&samples, (height, width), 10, &dir.join("samples.png"))?;
    }
    let (x, y) = session.reconstruct(50)?;
    let rows = x.chunks(10 * height * width).zip(y.chunks(10 * height * width));
    let pairs: Vec<f32> = rows.flat_map(|(x, y)| x.iter().chain(y).copied()).collect();
    report::grid(&pairs, (height, width), 10, &dir.join("reconstructions.png"))
}

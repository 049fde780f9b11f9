//! `elbo rollout RUN`: what a model of sequences expects after what it was given.

use super::pictures::count;
use super::trained::{Run, wrote};
use crate::checkpoint::write_whole_at;
use crate::report::{self, Line, Panel};
use crate::values::{Error, Result, note};
use std::path::{Path, PathBuf};

/// Arguments of `elbo rollout`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: Run,
    /// Sequences of the test set
    #[arg(short, long, default_value = "8", value_name = "N", value_parser = count)]
    n: usize,
    /// Frames that the model is given [default: half of a sequence]
    #[arg(long, value_name = "T")]
    given: Option<usize>,
    /// The first step after them is a jump of so many frames; of several where that is further than training drew
    #[arg(long, default_value = "1", value_name = "FRAMES")]
    jump: usize,
    /// Further steps, of one frame each [default: to the end of a sequence]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// The strips, .png: of each sequence what was, above what is expected; of sequences that are no pictures .svg
    /// [default: RUN/samples/rollout.png or .svg]. Pictures that move go beside it, .gif
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The most numbers of a frame that are drawn as curves.
const DRAWN: usize = 8;

/// The most frames of a rollout, each of which is a part of one program.
const LONGEST: usize = 200;

pub fn run(a: Args) -> Result<()> {
    let mut t = a.run.open()?;
    let model = t.session.sequential()?;
    let frames = t.session.sequence_length();
    let given = a.given.unwrap_or(frames / 2);
    let steps = a.steps.unwrap_or(frames.saturating_sub(given.saturating_add(a.jump)));
    if given == 0 || given > frames {
        return Err(Error::usage(format!("--given must be from 1 to the {frames} frames of a sequence, not {given}")));
    }
    if !(1..=LONGEST).contains(&a.jump) || steps >= LONGEST {
        let text =
            format!("--jump must be from 1 to {LONGEST}, and --steps below {LONGEST}, not {} and {steps}", a.jump);
        return Err(Error::usage(text));
    }
    let shape = t.data.shape;
    // A row of numbers is no picture.
    let (pictures, features) = (shape[0] > 1, shape.iter().product::<usize>());
    let name = if pictures { "rollout.png" } else { "rollout.svg" };
    let path = a.run.place(&a.out, name);
    let wanted = if pictures { "png" } else { "svg" };
    if path.extension().is_none_or(|e| e != wanted) {
        return Err(Error::usage(format!("{} does not end in .{wanted}, and these are drawn as that", path.display())));
    }
    let there = model.jumps_over(a.jump);
    if there.len() > 1 {
        note(format_args!(
            "note: training draws jumps of at most {}: the first {} steps are {} jumps",
            model.longest(),
            a.jump,
            there.len()
        ));
    }
    let jumps: Vec<usize> = there.iter().copied().chain(std::iter::repeat_n(1, steps)).collect();
    let mut expected = t.session.rollout("test", 0, a.n, given, &jumps)?;
    // What is between the last given frame and the end of the jump is not asked for.
    expected.drain(1..there.len());
    let (seen, n) = t.session.frames("test", 0, a.n)?;
    let drawing = Drawing { seen: &seen, expected: &expected, n, frames, features, given, jump: a.jump };
    if pictures { drawing.pictures(shape, &path) } else { drawing.curves(&path) }
}

/// What was, and what is expected: `expected[0]` is the last given frame as the model sees it, and what follows is each of
/// its own time.
struct Drawing<'a> {
    seen: &'a [f32],
    expected: &'a [Vec<f32>],
    n: usize,
    frames: usize,
    features: usize,
    given: usize,
    jump: usize,
}

impl Drawing<'_> {
    /// The time of `expected[i]`.
    fn time(&self, i: usize) -> usize {
        self.given - 1 + if i == 0 { 0 } else { self.jump + i - 1 }
    }

    /// A frame that was; black after the end of the sequence.
    fn was(&self, example: usize, time: usize) -> Vec<f32> {
        let at = (example * self.frames + time) * self.features;
        if time < self.frames { self.seen[at..at + self.features].to_vec() } else { vec![0.0; self.features] }
    }

    fn is_expected(&self, example: usize, i: usize) -> &[f32] {
        &self.expected[i][example * self.features..][..self.features]
    }

    fn pictures(&self, shape: [usize; 3], path: &Path) -> Result<()> {
        let columns = self.expected.len();
        let mut strips = Vec::new();
        for example in 0..self.n {
            (0..columns).for_each(|i| strips.extend(self.was(example, self.time(i))));
            (0..columns).for_each(|i| strips.extend(self.is_expected(example, i)));
        }
        write_whole_at(path, &report::sheet(&strips, shape, columns)?.png()?)?;
        wrote(path)?;
        // What was given, then what was and what is expected, side by side.
        let mut frames = Vec::new();
        let pair = |left: &dyn Fn(usize) -> Vec<f32>, right: &dyn Fn(usize) -> Vec<f32>| -> Vec<f32> {
            (0..self.n).flat_map(|example| [left(example), right(example)].concat()).collect()
        };
        for time in 0..self.given {
            frames.push(pair(&|e| self.was(e, time), &|e| self.was(e, time)));
        }
        for i in 1..columns {
            frames.push(pair(&|e| self.was(e, self.time(i)), &|e| self.is_expected(e, i).to_vec()));
        }
        let moving = path.with_extension("gif");
        write_whole_at(&moving, &report::gif(&frames, shape, 2 * self.n.min(4))?)?;
        wrote(&moving)
    }

    fn curves(&self, path: &Path) -> Result<()> {
        let mut panels = Vec::new();
        for example in 0..self.n {
            for k in 0..self.features.min(DRAWN) {
                let was = (0..self.frames).map(|t| (t as f64, f64::from(self.was(example, t)[k])));
                let expected =
                    (0..self.expected.len()).map(|i| (self.time(i) as f64, self.is_expected(example, i)[k].into()));
                let lines = vec![
                    Line { name: "observed".into(), points: was.collect() },
                    Line { name: format!("expected, given {}", self.given), points: expected.collect() },
                ];
                let of = if self.features > 1 { format!(", number {k}") } else { String::new() };
                panels.push(Panel { title: format!("sequence {example}{of}"), lines });
            }
        }
        write_whole_at(path, report::curves(&panels, "time")?.as_bytes())?;
        wrote(path)
    }
}

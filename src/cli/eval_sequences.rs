//! `elbo eval` of a model of sequences: what its rollouts keep, and what a frame after a jump costs.

use super::common::Common;
use super::trained::Trained;
use crate::data::{Stored, oscillator, recall};
use crate::eval::moving::{Asked, digits_seen, moves_right};
use crate::eval::next_step::NextStep;
use crate::values::{Result, note};
use std::f64::consts::PI;

/// Sequences whose rollouts are judged.
const SEQUENCES: usize = 1000;
/// Jumps whose frames are priced.
const JUMPS: usize = 4;
/// Frames of an oscillator that are given, and unit steps after the jump.
const GIVEN: usize = 60;
const UNIT_STEPS: usize = 20;

/// Numbers by name, and how they are said.
pub struct Numbers {
    /// (name, value).
    pub values: Vec<(String, f64)>,
    /// Lines of text.
    pub text: String,
}

/// What there is to say of a run beyond its bound.
pub fn numbers(t: &mut Trained, common: &Common, split: &str) -> Result<Option<Numbers>> {
    match t.data.sequence.map(|s| s.stored) {
        Some(Stored::Moving { .. }) => moving(t, common, split).map(Some),
        // The set of that name, whose truth is known, and not a user's file: of that the settings have the path.
        Some(Stored::Reals) if t.session.config.data.name == "oscillator" && split == "test" => {
            oscillating(t, common).map(Some)
        }
        Some(_) => priced(t, split).map(Some),
        None => Ok(None),
    }
}

/// −ln p of a frame after jumps of 1 to 4.
fn priced(t: &mut Trained, split: &str) -> Result<Numbers> {
    let most = JUMPS.min(t.session.sequence_length() - 1);
    let jumps: Vec<usize> = (1..=most).collect();
    let means = t.session.jump_nll(split, &jumps)?;
    let shown: Vec<String> = means.values().zip(&jumps).map(|((_, v), j)| format!("{v:.2} after {j}")).collect();
    let values = means.values().zip(&jumps).map(|((_, v), j)| (format!("jump-{j} nll"), v)).collect();
    Ok(Numbers { values, text: format!("a frame after a jump, -ln p in nats: {}\n", shown.join(", ")) })
}

fn moving(t: &mut Trained, common: &Common, split: &str) -> Result<Numbers> {
    let mut all = priced(t, split)?;
    let (frames, width) = (t.session.sequence_length(), t.data.shape[1]);
    let features = t.data.shape.iter().product::<usize>();
    let (given, steps) = (frames / 2, frames - frames / 2);
    let expected = t.session.rollout(split, 0, SEQUENCES, given, &vec![1; steps])?;
    let (seen, n) = t.session.frames(split, 0, SEQUENCES)?;
    let of = |rows: &[Vec<f32>], e: usize| -> Vec<Vec<f32>> {
        rows.iter().map(|row| row[e * features..][..features].to_vec()).collect()
    };
    let right = |frames: &[Vec<f32>]| moves_right(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>(), width);
    let real = |e: usize| -> Vec<Vec<f32>> {
        seen[e * frames * features..][..frames * features].chunks(features).map(<[f32]>::to_vec).collect()
    };
    let kept = (0..n).filter(|&e| right(&of(&expected[1..], e)) == right(&real(e))).count();
    let direction = 100.0 * kept as f64 / n as f64;
    all.values.push(("direction kept".into(), direction));
    all.text +=
        &format!("rollouts of {steps} frames, {given} given, {n} sequences: direction kept in {direction:.1} %");
    let labels = t.session.labels_of(split).to_vec();
    if labels.len() >= n && !t.data.train.labels.is_empty() {
        let ends: Vec<f32> = (0..n).flat_map(|e| real(e)[frames - 1].clone()).collect();
        let last = &expected[steps];
        let asked = [&ends, last].map(|frames| Asked { frames, labels: &labels[..n] });
        let [truth, digit] = digits_seen(common.open()?, &t.data, asked)?;
        all.values.extend([("digit kept".into(), digit), ("digit of real frames".into(), truth)]);
        all.text += &format!(", digit in {digit:.1} % (a classifier sees it in {truth:.1} % of real frames)");
    }
    all.text.push('\n');
    Ok(all)
}

/// Mean errors of amplitude, of frequency (relative) and of phase (radians).
type Errors = [f64; 3];

fn oscillating(t: &mut Trained, common: &Common) -> Result<Numbers> {
    let model = t.session.sequential()?;
    let (seen, n) = t.session.frames("test", 0, SEQUENCES)?;
    let frames = t.session.sequence_length();
    let far = 100;
    let mut next = next_step(t, common, model.belief)?;
    let continued = next.continued(&seen, GIVEN, far + UNIT_STEPS)?;
    let mut all = priced(t, "test")?;
    for jump in [20, far] {
        let there = model.jumps_over(jump);
        let jumps: Vec<usize> = there.iter().copied().chain([1; UNIT_STEPS]).collect();
        let rows = t.session.rollout("test", 0, SEQUENCES, GIVEN, &jumps)?;
        let window = |of: &dyn Fn(usize) -> Vec<f64>| errors(n, GIVEN - 1 + jump, of);
        let ours = window(&|e| rows[there.len()..].iter().map(|row| row[e].into()).collect());
        let by_step = window(&|e| continued[e][jump - 1..jump + UNIT_STEPS].iter().map(|&x| x.into()).collect());
        let held = window(&|e| vec![f64::from(seen[e * frames + GIVEN - 1]); UNIT_STEPS + 1]);
        // What the fit itself misses, of positions without the noise of observing them.
        let true_ = window(&|e| oscillator::truth(e).positions()[GIVEN - 1 + jump..][..=UNIT_STEPS].to_vec());
        let how = match there.len() {
            1 => "one jump".into(),
            n => format!("{n} jumps of at most {}", model.longest()),
        };
        all.text += &format!(
            "{jump} steps on, in {how}, then {UNIT_STEPS} steps of one: mean errors of amplitude, frequency and phase of these\n"
        );
        for (name, [amplitude, frequency, phase]) in
            [("td-vae", ours), ("next-step LSTM", by_step), ("last value held", held), ("true positions", true_)]
        {
            let percent = 100.0 * frequency;
            all.text += &format!("  {name:<16} {amplitude:.3}  {percent:.1} %  {phase:.2} rad\n");
            for (what, v) in [("amplitude", amplitude), ("frequency", frequency), ("phase", phase)] {
                all.values.push((format!("{name} jump-{jump} {what} error"), v));
            }
        }
    }
    Ok(all)
}

/// An LSTM of as many units that predicts the next value, trained on as many sequences as the run.
fn next_step(t: &Trained, common: &Common, units: usize) -> Result<NextStep> {
    let (frames, c) = (t.session.sequence_length(), &t.session.config.train);
    note(format_args!("training an LSTM of {units} units on the next value for {} steps, to measure beside …", t.step));
    NextStep::train(common.open()?, &t.data.train, [frames, units], [t.step as usize, c.batch], c.seed)
}

/// Numbers of each example of the training set, and of a held-out split.
pub struct Features {
    /// What they are.
    pub what: &'static str,
    /// How many an example.
    pub width: usize,
    /// Of the training set.
    pub train: Vec<f32>,
    /// Of the split.
    pub held_out: Vec<f32>,
}

/// What a probe can read the two frequencies of `oscillator-recall` from, right before they are recalled: the belief, and the
/// state of an LSTM of as many units that predicts the next value.
pub fn beliefs(t: &mut Trained, common: &Common, split: &str) -> Result<[Features; 2]> {
    let (width, time) = (t.session.sequential()?.belief, recall::LAST - 1);
    let belief = Features {
        what: "the belief",
        width,
        train: t.session.beliefs("train", time)?,
        held_out: t.session.beliefs(split, time)?,
    };
    let mut next = next_step(t, common, width)?;
    let held_out = if split == "test" { &t.data.test } else { &t.data.validation };
    let (train, held_out) = (next.states(&t.data.train, time)?, next.states(held_out, time)?);
    Ok([belief, Features { what: "a next-step LSTM's state", width, train, held_out }])
}

/// What is fitted to a window of each sequence that begins at `start`, against the oscillator's own.
fn errors(n: usize, start: usize, window: impl Fn(usize) -> Vec<f64>) -> Errors {
    let mut sums = [0.0; 3];
    for e in 0..n {
        let x = window(e);
        assert_eq!(x.len(), UNIT_STEPS + 1, "what follows the jump, and no more");
        let (found, truth) = (oscillator::fit(&x), oscillator::truth(e));
        // The phase in the middle of the window.
        let middle = truth.phase[start + x.len() / 2];
        let apart = (found.phase - middle).rem_euclid(2.0 * PI);
        sums[0] += (found.amplitude - truth.amplitude).abs();
        sums[1] += (found.frequency / truth.frequency - 1.0).abs();
        sums[2] += apart.min(2.0 * PI - apart);
    }
    sums.map(|s| s / n as f64)
}

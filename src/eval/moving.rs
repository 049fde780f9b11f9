//! Whether rollouts of moving digits keep what must be kept: the direction, and the digit as a classifier sees it.

use crate::config::{Binarise, Config};
use crate::data::{Dataset, Split};
use crate::exec::Executor;
use crate::train::Session;
use crate::values::{Philox, Result, below, stream};

/// Frames between the two that are compared for a direction: a digit has then moved by as many pixels.
const LAG: usize = 3;
/// Real frames that the classifier learns from, and its steps.
const FRAMES: usize = 30_000;
const STEPS: u64 = 1500;

/// How far two frames agree when the first is moved by so many pixels to the right.
fn agreement(from: &[f32], to: &[f32], width: usize, by: usize) -> f32 {
    let rows = from.chunks_exact(width).zip(to.chunks_exact(width));
    rows.map(|(from, to)| (0..width).map(|i| from[i] * to[(i + by) % width]).sum::<f32>()).sum()
}

/// Whether a sequence of frames, a pixel a step, moves to the right: which of the two directions its frames agree with more.
pub fn moves_right(frames: &[&[f32]], width: usize) -> bool {
    let lag = LAG.min(frames.len().saturating_sub(1));
    let side = |by: usize| -> f32 { frames.windows(lag + 1).map(|w| agreement(w[0], w[lag], width, by)).sum() };
    side(lag) > side(width - lag)
}

/// Frames that the classifier is asked about, with their digits.
pub struct Asked<'a> {
    /// n·features values in \[0, 1\].
    pub frames: &'a [f32],
    /// n digits.
    pub labels: &'a [u8],
}

/// The shares, in %, of frames whose digit a classifier sees: of each set that is asked about. It is a softmax on the code of
/// a VAE's encoder, trained on pictures of the training set moved to any column, binarised.
pub fn digits_seen(exec: Box<dyn Executor>, data: &Dataset, asked: [Asked<'_>; 2]) -> Result<[f64; 2]> {
    let (features, width) = (data.shape.iter().product::<usize>(), data.shape[1]);
    let n = data.train.len().min(FRAMES);
    let rng = Philox::new(0, stream("eval.moving", 0), 0);
    let mut bytes = Vec::with_capacity(n * features);
    for i in 0..n {
        let by = below(rng.word(i as u64), width as u32) as usize;
        for row in data.train.image(i).chunks_exact(width) {
            bytes.extend((0..width).map(|column| row[(column + width - by) % width]));
        }
    }
    let train = Split::stored(bytes, data.train.labels[..n].to_vec(), features);
    let [validation, test] = asked.map(|a| {
        let bytes = a.frames.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8).collect();
        Split::stored(bytes, a.labels.to_vec(), features)
    });
    let mut config = Config::default();
    config.train.batch = config.train.batch.min(n);
    (config.classifier.classes, config.data.binarise, config.train.steps) = (10, Binarise::Dynamic, STEPS);
    let still = Dataset { name: data.name.clone(), shape: data.shape, sequence: None, train, validation, test };
    let mut session = Session::new(exec, &config, still, None)?;
    let mut step = 0;
    while step < STEPS {
        let epoch = session.steps_per_epoch();
        if step % epoch == 0 {
            session.begin_epoch(step / epoch)?;
        }
        let count = (epoch - step % epoch).min(STEPS - step).min(session.group_limit() as u64);
        let ticket = session.submit(step, count as usize)?;
        session.exec.fetch(ticket)?;
        step += count;
    }
    let mut seen = |split: &str| -> Result<f64> {
        let e = session.evaluate(split)?;
        Ok(100.0 - e.means.values().next().map_or(f64::NAN, |(_, error)| error))
    };
    Ok([seen("validation")?, seen("test")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_is_told_from_its_frames() {
        let (width, blob) = (9, [0.0, 0.2, 0.9, 1.0, 0.4, 0.0, 0.0, 0.0, 0.0f32]);
        let moved = |by: usize| (0..width).map(|i| blob[(i + width - by % width) % width]).collect::<Vec<f32>>();
        let right: Vec<Vec<f32>> = (0..6).map(moved).collect();
        let frames: Vec<&[f32]> = right.iter().map(Vec::as_slice).collect();
        assert!(moves_right(&frames, width));
        let left: Vec<&[f32]> = frames.iter().rev().copied().collect();
        assert!(!moves_right(&left, width));
    }
}

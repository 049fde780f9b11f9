//! The noisy harmonic oscillator of TD-VAE (Gregor et al. 2019, §5.2): data that need no files.
//!
//! A state (x, v) turns by ω a step, x_{t+1} + i·v_{t+1} = e^{−iω}(x_t + i·v_t) + noise, and is scaled back to the energy
//! that it had, so that noise moves the phase and not the amplitude; what is observed is x with noise of its own.

use super::dataset::Split;
use crate::values::{Philox, stream};
use std::f64::consts::TAU;

/// Frames of a sequence.
pub const FRAMES: usize = 200;
/// Sequences to train on.
pub const TRAIN: usize = 12_800;
/// Sequences to test on.
pub const TEST: usize = 1_280;
/// The standard deviation of what is added to position and velocity at each step.
pub const STATE_NOISE: f64 = 0.01;
/// The standard deviation of what is added to an observed position.
pub const OBSERVED_NOISE: f64 = 0.1;

/// Radians a step: from 10 to 60 steps a turn.
pub(super) const FREQUENCY: [f64; 2] = [TAU / 60.0, TAU / 10.0];
/// The amplitude, which the energy is half the square of.
const AMPLITUDE: [f64; 2] = [0.5, 1.5];

/// The draws of one sequence, one after the other.
pub(super) struct Draws {
    philox: Philox,
    at: u64,
}

impl Draws {
    /// Those of sequence `i` of what goes by this path.
    pub fn of(path: &str, i: usize) -> Self {
        Self { philox: Philox::new(0, stream(path, 0), i as u32), at: 0 }
    }

    fn unit(&mut self) -> f64 {
        self.at += 1;
        self.philox.unit(self.at - 1)
    }

    /// Uniform between two numbers.
    pub fn within(&mut self, [lo, hi]: [f64; 2]) -> f64 {
        lo + (hi - lo) * self.unit()
    }

    /// Two of N(0, 1).
    fn normal(&mut self) -> (f64, f64) {
        let r = (-2.0 * self.unit().ln()).sqrt();
        let (sin, cos) = (TAU * self.unit()).sin_cos();
        (r * cos, r * sin)
    }
}

/// What an oscillator is behind its noise.
#[derive(Clone, Debug)]
pub struct Truth {
    /// The largest position.
    pub amplitude: f64,
    /// ω, radians a step.
    pub frequency: f64,
    /// φ at each time t, where the position is amplitude·cos φ and φ grows by ω a step but for the noise.
    pub phase: Vec<f64>,
}

impl Truth {
    /// The position at each time.
    pub fn positions(&self) -> Vec<f64> {
        self.phase.iter().map(|phase| self.amplitude * phase.cos()).collect()
    }
}

/// Of sequence `i` of the test set.
pub fn truth(i: usize) -> Truth {
    sequence("test", i).1
}

/// The observations of sequence `i` of a part, and what they are of.
fn sequence(part: &str, i: usize) -> (Vec<f32>, Truth) {
    let mut draws = Draws::of(&format!("data.oscillator.{part}"), i);
    let frequency = draws.within(FREQUENCY);
    let (seen, amplitude, phase) = oscillate(&mut draws, FRAMES, |_| frequency);
    (seen, Truth { amplitude, frequency, phase })
}

/// So many observations of an oscillator of any amplitude and phase whose frequency is given at each time; its amplitude, and
/// its phase at each time.
pub(super) fn oscillate(
    draws: &mut Draws,
    frames: usize,
    frequency: impl Fn(usize) -> f64,
) -> (Vec<f32>, f64, Vec<f64>) {
    let (amplitude, phase) = (draws.within(AMPLITUDE), draws.within([0.0, TAU]));
    let (mut x, mut v) = (amplitude * phase.cos(), amplitude * phase.sin());
    let mut phases = Vec::with_capacity(frames);
    let mut step = |t: usize| {
        let (seen, _) = draws.normal();
        let observed = (x + OBSERVED_NOISE * seen) as f32;
        phases.push((-v).atan2(x));
        let (a, b) = draws.normal();
        let (sin, cos) = frequency(t).sin_cos();
        (x, v) = (cos * x + sin * v + STATE_NOISE * a, cos * v - sin * x + STATE_NOISE * b);
        let scale = amplitude / x.hypot(v);
        (x, v) = (x * scale, v * scale);
        observed
    };
    let seen = (0..frames).map(&mut step).collect();
    (seen, amplitude, phases)
}

/// The first `n` sequences of a part, the same ones at any n.
pub(super) fn split(n: usize, part: &str) -> Split {
    let bytes = (0..n).flat_map(|i| sequence(part, i).0).flat_map(f32::to_le_bytes).collect();
    Split::stored(bytes, vec![], 4 * FRAMES)
}

/// What fits best, in the sense of least squares, among a sin ωt + b cos ωt for ω on a fine grid.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// √(a² + b²).
    pub amplitude: f64,
    /// ω, radians a step.
    pub frequency: f64,
    /// The phase at the middle of what was fitted, radians.
    pub phase: f64,
}

/// The sinusoid that fits positions one step apart best.
pub fn fit(x: &[f64]) -> Fit {
    const GRID: usize = 400;
    let middle = (x.len() - 1) as f64 / 2.0;
    let at = |frequency: f64| {
        let (mut ss, mut sc, mut cc, mut xs, mut xc, mut xx) = (1e-9, 0.0, 1e-9, 0.0, 0.0, 0.0);
        for (t, x) in x.iter().enumerate() {
            let (s, c) = (frequency * (t as f64 - middle)).sin_cos();
            (ss, sc, cc) = (ss + s * s, sc + s * c, cc + c * c);
            (xs, xc, xx) = (xs + x * s, xc + x * c, xx + x * x);
        }
        let det = ss * cc - sc * sc;
        let (a, b) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
        (xx - a * xs - b * xc, Fit { amplitude: a.hypot(b), frequency, phase: (-a).atan2(b) })
    };
    // Somewhat beyond what there is, so that an error can show.
    let [lo, hi] = [FREQUENCY[0] * 0.5, FREQUENCY[1] * 1.5];
    let place = |i: usize| lo * (hi / lo).powf(i as f64 / GRID as f64);
    let best = (0..=GRID).map(|i| at(place(i))).min_by(|a, b| a.0.total_cmp(&b.0));
    best.expect("the grid has places").1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oscillator_keeps_its_amplitude_and_its_frequency() {
        for i in 0..20 {
            let x: Vec<f64> = sequence("test", i).0.iter().map(|&x| x.into()).collect();
            let (early, late, truth) = (fit(&x[..60]), fit(&x[139..]), truth(i));
            // Radians between the phases in the middle of the later window.
            let apart = (late.phase - truth.phase[169]).rem_euclid(TAU);
            assert!(
                apart.min(TAU - apart) < 0.4 && (late.amplitude - truth.amplitude).abs() < 0.1,
                "{i}: {late:?}, {apart}"
            );
            assert!((early.amplitude - late.amplitude).abs() < 0.15, "{i}: {early:?}, {late:?}");
            assert!((early.frequency / late.frequency - 1.0).abs() < 0.06, "{i}: {early:?}, {late:?}");
        }
    }

    #[test]
    fn a_sinusoid_is_found_again() {
        let x: Vec<f64> = (0..40).map(|t| 0.8 * (0.3 * (f64::from(t) - 19.5) + 1.0).cos()).collect();
        let found = fit(&x);
        assert!((found.amplitude - 0.8).abs() < 0.01, "{found:?}");
        assert!((found.frequency - 0.3).abs() < 0.003 && (found.phase - 1.0).abs() < 0.03, "{found:?}");
    }
}

//! The linear probe, one for all models: multinomial logistic regression on codes, or on pixels, whose penalty is chosen by
//! held-out examples.

use super::{Labelled, Logistic, Stop};

/// Penalties λ an example that are tried, strongest first: each fit begins where the one before ended.
const PENALTIES: [f64; 5] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5];

/// The part of the training examples that the penalty is chosen by, where there is no validation set.
const HELD_OUT: usize = 6;

/// What a probe comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// The part of the test examples that it gets wrong.
    pub error: f64,
    /// The penalty λ an example that was chosen.
    pub penalty: f64,
    /// Examples that it learned from.
    pub train: usize,
    /// Examples that the penalty was chosen by.
    pub validation: usize,
}

impl Probe {
    /// Learns from `train`, of which the last sixth chooses the penalty, and judges by `test`. All numbers are moved by the
    /// means of the training examples and divided by one number, their root mean square: a code counts the same at any scale.
    pub fn of(train: &Labelled<'_>, test: &Labelled<'_>, classes: usize) -> Self {
        let d = train.features;
        let n = train.y.len() - train.y.len() / HELD_OUT;
        let mut mean = vec![0.0f64; d];
        for row in train.x[..n * d].chunks_exact(d) {
            mean.iter_mut().zip(row).for_each(|(m, &x)| *m += f64::from(x) / n as f64);
        }
        let away = |x: &[f32]| -> Vec<f32> {
            x.iter().zip(mean.iter().cycle()).map(|(&x, m)| (f64::from(x) - m) as f32).collect()
        };
        let mut known = away(&train.x[..n * d]);
        let square: f64 = known.iter().map(|&x| f64::from(x).powi(2)).sum();
        // Codes that are all the same have no scale.
        let scale = if square > 0.0 { (known.len() as f64 / square).sqrt() as f32 } else { 1.0 };
        known.iter_mut().for_each(|x| *x *= scale);
        let scaled = |x: &[f32]| -> Vec<f32> { away(x).iter().map(|x| x * scale).collect() };
        let (choosing, unseen) = (scaled(&train.x[n * d..]), scaled(test.x));
        let known = Labelled { x: &known, features: d, y: &train.y[..n] };
        let choosing = Labelled { x: &choosing, features: d, y: &train.y[n..] };
        let stop = Stop { gradient: 1e-4 * n as f64, steps: 200 };
        let mut last: Option<Logistic> = None;
        let mut best: Option<(f64, f64, Logistic)> = None;
        for penalty in PENALTIES {
            let fitted = Logistic::fit(&known, classes, penalty * n as f64, stop, last.as_ref());
            let error = fitted.error(&choosing);
            if best.as_ref().is_none_or(|(least, ..)| error < *least) {
                best = Some((error, penalty, fitted.clone()));
            }
            last = Some(fitted);
        }
        let (_, penalty, fitted) = best.expect("penalties are tried");
        let error = fitted.error(&Labelled { x: &unseen, features: d, y: test.y });
        Self { error, penalty, train: n, validation: choosing.y.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::{Philox, stream};

    #[test]
    fn a_probe_reads_what_is_there_at_any_scale_and_nothing_else() {
        let rng = Philox::new(2, stream("probe", 0), 0);
        let (n, d, classes) = (1800, 4, 3);
        // Class k is around the k-th unit vector; an unrelated code has the same classes.
        let code = |i: usize, k: usize, of: f64| {
            move |j: usize| of * (rng.unit((i * d + j) as u64) - 0.5) + f64::from(u8::from(j == k))
        };
        let make = |scale: f64, away: f64, related: bool| {
            let y: Vec<u32> = (0..n).map(|i| (i % classes) as u32).collect();
            let x: Vec<f32> = (0..n)
                .flat_map(|i| {
                    let k = if related { i % classes } else { i / 7 % classes };
                    (0..d).map(move |j| (scale * (code(i, k, 1.4)(j) + away)) as f32)
                })
                .collect();
            (x, y)
        };
        let of = |scale: f64, away: f64, related: bool| {
            let (x, y) = make(scale, away, related);
            let (train, test) = x.split_at(1500 * d);
            let labelled = |x, y| Labelled { x, features: d, y };
            Probe::of(&labelled(train, &y[..1500]), &labelled(test, &y[1500..]), classes)
        };
        let plain = of(1.0, 0.0, true);
        assert!(plain.error < 0.12 && plain.error > 0.0, "{plain:?}");
        assert_eq!((plain.train, plain.validation), (1250, 250));
        for (scale, away) in [(1e-3, 0.0), (1e3, 50.0)] {
            let other = of(scale, away, true);
            assert!(
                (other.error - plain.error).abs() <= 0.01 && other.penalty == plain.penalty,
                "{other:?}, {plain:?}"
            );
        }
        let none = of(1.0, 0.0, false);
        assert!(none.error > 0.5, "{none:?}");
    }
}

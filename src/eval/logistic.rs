//! Multinomial logistic regression: p(y = k | x) = softmaxₖ(W x + b).
//!
//! min ½ λ ‖W‖² − Σᵢ ln p(yᵢ | xᵢ), over W: \[classes, features\] and b, which is not penalised: the optimum of scikit-learn's
//! `LogisticRegression` with C = 1/λ.

use super::lbfgs::{Stop, minimise};
use crate::exec::product;
use rayon::prelude::*;

/// Examples, row-major, with their classes.
#[derive(Clone, Copy)]
pub struct Labelled<'a> {
    /// n·features numbers.
    pub x: &'a [f32],
    /// Numbers an example.
    pub features: usize,
    /// n classes.
    pub y: &'a [u32],
}

/// A fitted regression.
#[derive(Clone, Debug)]
pub struct Logistic {
    features: usize,
    classes: usize,
    /// W, then b.
    weights: Vec<f64>,
}

/// Examples whose products are made at f32 before they join the sums at f64.
const BLOCK: usize = 128;

impl Logistic {
    /// The optimum for classes `0..classes` and a penalty λ > 0, from `start` on where there is one.
    pub fn fit(data: &Labelled<'_>, classes: usize, penalty: f64, stop: Stop, start: Option<&Self>) -> Self {
        let (features, n) = (data.features, classes * data.features);
        // Of two classes scikit-learn has one vector, w = W₁ − W₀, and penalises ‖w‖², which is 2 ‖W‖² at the optimum.
        let penalty = if classes == 2 { 2.0 * penalty } else { penalty };
        let first = start.map_or_else(|| vec![0.0; n + classes], |s| s.weights.clone());
        let weights = minimise(first, stop, |weights, gradient| {
            let half = data.loss(weights, classes, gradient);
            let square: f64 = weights[..n].iter().map(|w| w * w).sum();
            gradient[..n].iter_mut().zip(weights).for_each(|(g, w)| *g += penalty * w);
            half + 0.5 * penalty * square
        });
        Self { features, classes, weights }
    }

    /// The part of the examples whose class is not the most probable one.
    pub fn error(&self, data: &Labelled<'_>) -> f64 {
        assert_eq!(data.features, self.features, "the features are those of the fit");
        let w: Vec<f32> = self.weights.iter().map(|w| *w as f32).collect();
        let wrong: usize = data
            .blocks()
            .map(|(x, y)| {
                let logits = logits(x, y.len(), &w, self.classes);
                y.iter().zip(logits.chunks_exact(self.classes)).filter(|(y, a)| argmax(a) != **y as usize).count()
            })
            .sum();
        wrong as f64 / data.y.len() as f64
    }
}

/// The first of the largest.
fn argmax(a: &[f32]) -> usize {
    (1..a.len()).fold(0, |best, k| if a[k] > a[best] { k } else { best })
}

/// X Wᵀ + b: \[rows, classes\].
fn logits(x: &[f32], rows: usize, weights: &[f32], classes: usize) -> Vec<f32> {
    let features = x.len() / rows;
    let (w, b) = weights.split_at(classes * features);
    let mut a = product(x, w, (rows, classes, features), (false, true));
    a.chunks_exact_mut(classes).for_each(|a| a.iter_mut().zip(b).for_each(|(a, b)| *a += b));
    a
}

impl<'a> Labelled<'a> {
    fn blocks(&self) -> impl IndexedParallelIterator<Item = (&'a [f32], &'a [u32])> {
        self.x.par_chunks(BLOCK * self.features).zip(self.y.par_chunks(BLOCK))
    }

    /// −Σᵢ ln p(yᵢ | xᵢ), and its gradient.
    fn loss(&self, weights: &[f64], classes: usize, gradient: &mut [f64]) -> f64 {
        let w: Vec<f32> = weights.iter().map(|w| *w as f32).collect();
        let parts: Vec<(f64, Vec<f32>, Vec<f64>)> = self
            .blocks()
            .map(|(x, y)| {
                let mut a = logits(x, y.len(), &w, classes);
                let (mut loss, mut bias) = (0.0, vec![0.0; classes]);
                for (a, &y) in a.chunks_exact_mut(classes).zip(y) {
                    let most = a.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let total: f64 = a.iter().map(|a| f64::from(a - most).exp()).sum();
                    loss += total.ln() - f64::from(a[y as usize] - most);
                    for (k, a) in a.iter_mut().enumerate() {
                        let p = f64::from(*a - most).exp() / total - f64::from(u8::from(k == y as usize));
                        bias[k] += p;
                        *a = p as f32;
                    }
                }
                (loss, product(&a, x, (classes, self.features, y.len()), (true, false)), bias)
            })
            .collect();
        gradient.fill(0.0);
        let (dw, db) = gradient.split_at_mut(classes * self.features);
        // In the order of the blocks, whoever computed them.
        parts.iter().fold(0.0, |total, (loss, w, b)| {
            dw.iter_mut().zip(w).for_each(|(d, w)| *d += f64::from(*w));
            db.iter_mut().zip(b).for_each(|(d, b)| *d += b);
            total + loss
        })
    }
}

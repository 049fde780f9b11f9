//! The linear support vector machine of one number, as liblinear poses it (Fan et al. 2008):
//!
//! min ½(w² + b²) + Σᵢ Cᵢ max(0, 1 − yᵢ(w xᵢ + b))²,  yᵢ = ±1, one class against the rest.
//!
//! The optimum of scikit-learn's `LinearSVC(C, class_weight="balanced")`: the class itself weighs Cᵢ = C·n/(K·nₖ), the rest C;
//! of two classes each weighs so, and one machine tells them apart. The intercept is penalised, as there.

/// A fitted machine: a line a class, of which the highest is the class; with two classes the line of the second.
pub struct LinearSvm {
    lines: Vec<[f64; 2]>,
    classes: usize,
}

/// Steps of Newton's method at most; the objective is piecewise quadratic, and some ten find the piece of the minimum.
const STEPS: usize = 100;

impl LinearSvm {
    /// From numbers and their classes `0..classes`, each of which is there.
    pub fn fit(x: &[f32], y: &[u32], classes: usize, c: f64) -> Self {
        let balanced = |k: u32| {
            let count = y.iter().filter(|&&y| y == k).count();
            c * y.len() as f64 / (classes * count) as f64
        };
        let lines = match classes {
            2 => vec![line(x, y, 1, [balanced(1), balanced(0)])],
            _ => (0..classes as u32).map(|k| line(x, y, k, [balanced(k), c])).collect(),
        };
        Self { lines, classes }
    }

    /// The class of a number.
    pub fn predict(&self, x: f32) -> u32 {
        let height = |[w, b]: &[f64; 2]| w * f64::from(x) + b;
        if self.classes == 2 {
            return u32::from(height(&self.lines[0]) > 0.0);
        }
        let heights: Vec<f64> = self.lines.iter().map(height).collect();
        (1..heights.len()).fold(0, |best, k| if heights[k] > heights[best] { k } else { best }) as u32
    }
}

/// (w, b) of class k, of weight `own`, against the others, of weight `rest`.
fn line(x: &[f32], y: &[u32], k: u32, [own, rest]: [f64; 2]) -> [f64; 2] {
    let sides: Vec<(f64, f64, f64)> = x
        .iter()
        .zip(y)
        .map(|(&x, &y)| if y == k { (f64::from(x), 1.0, own) } else { (f64::from(x), -1.0, rest) })
        .collect();
    let value = |[w, b]: [f64; 2]| {
        let loss = |&(x, y, c): &(f64, f64, f64)| c * (1.0 - y * (w * x + b)).max(0.0).powi(2);
        0.5 * (w * w + b * b) + sides.iter().map(loss).sum::<f64>()
    };
    let mut at = [0.0, 0.0];
    let mut here = value(at);
    for _ in 0..STEPS {
        let [w, b] = at;
        // The gradient, and the Hessian of the piece.
        let (mut g, mut h) = ([w, b], [1.0, 0.0, 1.0]);
        for &(x, y, c) in &sides {
            let margin = 1.0 - y * (w * x + b);
            if margin > 0.0 {
                let slope = -2.0 * c * y * margin;
                g = [g[0] + slope * x, g[1] + slope];
                h = [h[0] + 2.0 * c * x * x, h[1] + 2.0 * c * x, h[2] + 2.0 * c];
            }
        }
        let det = h[0] * h[2] - h[1] * h[1];
        let step = [(h[1] * g[1] - h[2] * g[0]) / det, (h[1] * g[0] - h[0] * g[1]) / det];
        let promised = step[0] * g[0] + step[1] * g[1];
        // As good as 0: the piece of the minimum.
        if promised >= -1e-12 * here {
            break;
        }
        let mut length = 1.0;
        let reached = loop {
            let there = [w + length * step[0], b + length * step[1]];
            let value = value(there);
            if value <= here + 1e-4 * length * promised {
                break Some((there, value));
            }
            length *= 0.5;
            if length < 1e-10 {
                break None;
            }
        };
        match reached {
            Some(next) => (at, here) = next,
            None => break,
        }
    }
    at
}

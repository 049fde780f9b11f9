//! Limited-memory BFGS (Liu & Nocedal 1989) with backtracking: the minimum of a smooth convex function.

use std::collections::VecDeque;

/// Pairs of steps and changes of the gradient that stand for the Hessian.
const MEMORY: usize = 10;
/// Armijo: the part of the decrease that the slope promises which a step has to bring.
const DECREASE: f64 = 1e-4;
/// The shortest step that is tried, as a part of the quasi-Newton one: below, what is left is rounding.
const SHORTEST: f64 = 1e-10;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// The largest component of the gradient is no more than this.
    pub gradient: f64,
    /// Steps at most.
    pub steps: usize,
}

/// The minimum of f from `x` on; `f` returns its value and writes its gradient. It ends too where no step along the
/// direction brings a decrease, which of a convex function is the minimum to the precision of `f`.
pub fn minimise(mut x: Vec<f64>, stop: Stop, mut f: impl FnMut(&[f64], &mut [f64]) -> f64) -> Vec<f64> {
    let mut gradient = vec![0.0; x.len()];
    let mut value = f(&x, &mut gradient);
    let mut pairs: VecDeque<Pair> = VecDeque::new();
    let (mut next, mut slope) = (x.clone(), gradient.clone());
    for step in 0..stop.steps {
        if largest(&gradient) <= stop.gradient {
            break;
        }
        let direction = quasi_newton(&pairs, &gradient);
        let promised = dot(&direction, &gradient);
        // The first direction is the gradient, of no known length.
        let mut length = if step == 0 { 1.0 / dot(&gradient, &gradient).sqrt() } else { 1.0 };
        let reached = loop {
            (0..x.len()).for_each(|i| next[i] = x[i] + length * direction[i]);
            let there = f(&next, &mut slope);
            if there <= value + DECREASE * length * promised {
                break Some(there);
            }
            length *= 0.5;
            if length < SHORTEST {
                break None;
            }
        };
        let Some(there) = reached else { break };
        let s: Vec<f64> = next.iter().zip(&x).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = slope.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&s, &y);
        if curvature > 0.0 {
            pairs.push_back(Pair { s, y, curvature });
            if pairs.len() > MEMORY {
                pairs.pop_front();
            }
        }
        std::mem::swap(&mut x, &mut next);
        std::mem::swap(&mut gradient, &mut slope);
        value = there;
    }
    x
}

/// A step s, the change y of the gradient over it, and sᵀy > 0.
struct Pair {
    s: Vec<f64>,
    y: Vec<f64>,
    curvature: f64,
}

/// −H g, H the inverse Hessian that the pairs say (the two-loop recursion).
fn quasi_newton(pairs: &VecDeque<Pair>, gradient: &[f64]) -> Vec<f64> {
    let mut d: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut parts = Vec::with_capacity(pairs.len());
    for p in pairs.iter().rev() {
        let a = dot(&p.s, &d) / p.curvature;
        d.iter_mut().zip(&p.y).for_each(|(d, y)| *d -= a * y);
        parts.push(a);
    }
    if let Some(p) = pairs.back() {
        let scale = p.curvature / dot(&p.y, &p.y);
        d.iter_mut().for_each(|d| *d *= scale);
    }
    for (p, a) in pairs.iter().zip(parts.iter().rev()) {
        let b = dot(&p.y, &d) / p.curvature;
        d.iter_mut().zip(&p.s).for_each(|(d, s)| *d += (a - b) * s);
    }
    d
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn largest(v: &[f64]) -> f64 {
    v.iter().fold(0.0, |m, v| v.abs().max(m))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quadratic_of_condition_10_000_is_solved() {
        let n = 20;
        let scale = |i: usize| 10f64.powf(4.0 * i as f64 / (n - 1) as f64);
        let f = |x: &[f64], g: &mut [f64]| {
            let away = |i: usize| x[i] - i as f64;
            (0..n).for_each(|i| g[i] = scale(i) * away(i));
            (0..n).map(|i| 0.5 * scale(i) * away(i).powi(2)).sum()
        };
        let x = minimise(vec![0.0; n], Stop { gradient: 1e-8, steps: 500 }, f);
        for (i, x) in x.iter().enumerate() {
            assert!((x - i as f64).abs() < 1e-5, "{i}: {x}");
        }
    }
}

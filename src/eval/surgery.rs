//! ELBO surgery, Hoffman & Johnson 2016: what the KL term of an ELBO is made of.
//!
//! 1/N Σ_n KL(q(z|x_n) ‖ p(z)) = I_q(n; z) + KL(q(z) ‖ p(z)),  q(z) = 1/N Σ_n q(z|x_n),  p(z) = N(0, I)
//!
//! I_q(n; z), what a code tells of which example it is of, is at most ln N.

use crate::values::{Philox, stream, unit};
use rayon::prelude::*;
use std::f64::consts::TAU;

/// The parts, nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surgery {
    /// The mean of KL(q(z|x_n) ‖ p(z)), exact.
    pub kl: f64,
    /// I_q(n; z) = E ln q(z|x_n)/q(z), by one z of each q(z|x_n).
    pub information: f64,
    /// KL(q(z) ‖ p(z)) = E ln q(z)/p(z), by the same.
    pub marginal: f64,
    /// The standard errors of the two.
    pub errors: [f64; 2],
    /// N.
    pub examples: usize,
}

impl Surgery {
    /// From the means and log-variances of N posteriors of diagonal covariance, N·latent numbers each, N at least 2. Work grows
    /// as N²·latent.
    pub fn of(means: &[f32], log_vars: &[f32], latent: usize, seed: u64) -> Self {
        let n = means.len() / latent;
        let rng = Philox::new(seed, stream("evaluate.surgery", 0), 0);
        // Of log q(z|x_m) what is of m alone, and 1/σ.
        let constant: Vec<f64> = log_vars
            .chunks_exact(latent)
            .map(|row| -0.5 * row.iter().map(|&lv| f64::from(lv) + TAU.ln()).sum::<f64>())
            .collect();
        let scale: Vec<f32> = log_vars.iter().map(|&lv| (-0.5 * f64::from(lv)).exp() as f32).collect();
        // (ln q(z|x_n)/q(z), ln q(z)/p(z)) of one z of q(z|x_n).
        let one = |i: usize| {
            let (own, mean) = (i * latent..(i + 1) * latent, &means[i * latent..][..latent]);
            let noise: Vec<f64> = own.clone().map(|e| normal(&rng, e as u64)).collect();
            let sigma = log_vars[own].iter().map(|&lv| (0.5 * f64::from(lv)).exp());
            let exact: Vec<f64> = mean.iter().zip(sigma).zip(&noise).map(|((&m, s), e)| f64::from(m) + s * e).collect();
            let z: Vec<f32> = exact.iter().map(|&z| z as f32).collect();
            let log_q = |m: usize| {
                let (mean, scale) = (&means[m * latent..][..latent], &scale[m * latent..][..latent]);
                let square = |d: usize| ((z[d] - mean[d]) * scale[d]).powi(2);
                constant[m] - 0.5 * f64::from((0..latent).map(square).sum::<f32>())
            };
            // Its own is of the noise: σ may be too small for z − μ.
            let own = constant[i] - 0.5 * noise.iter().map(|e| e * e).sum::<f64>();
            let all: Vec<f64> = (0..n).map(|m| if m == i { own } else { log_q(m) }).collect();
            let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let marginal = most + (all.iter().map(|a| (a - most).exp()).sum::<f64>() / n as f64).ln();
            let prior = -0.5 * exact.iter().map(|z| z * z + TAU.ln()).sum::<f64>();
            (own - marginal, marginal - prior)
        };
        let parts: Vec<(f64, f64)> = (0..n).into_par_iter().map(one).collect();
        let (information, first) = mean_and_error(parts.iter().map(|p| p.0));
        let (marginal, second) = mean_and_error(parts.iter().map(|p| p.1));
        let each = means.iter().zip(log_vars).map(|(&m, &lv)| {
            let (m, lv) = (f64::from(m), f64::from(lv));
            0.5 * (m * m + lv.exp() - lv - 1.0)
        });
        let kl = each.sum::<f64>() / n as f64;
        Self { kl, information, marginal, errors: [first, second], examples: n }
    }
}

/// The dimensions of z whose posterior mean varies over the examples, Var_x E_q\[z|x\] > 0.01 (Burda et al. 2016).
pub fn active_units(means: &[f32], latent: usize) -> usize {
    let variance = |d: usize| {
        let column = || means.iter().skip(d).step_by(latent).map(|&m| f64::from(m));
        let n = column().count() as f64;
        let mean = column().sum::<f64>() / n;
        column().map(|m| (m - mean).powi(2)).sum::<f64>() / n
    };
    (0..latent).filter(|&d| variance(d) > 0.01).count()
}

/// Standard normal draw `e` of a stream (Box & Muller 1958).
fn normal(rng: &Philox, e: u64) -> f64 {
    let words = rng.block(e as u32);
    (-2.0 * unit(words[0]).ln()).sqrt() * (TAU * unit(words[1])).cos()
}

/// The mean of numbers, and its standard error.
pub fn mean_and_error(x: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.clone().sum::<f64>() / n;
    let variance = x.map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(n: usize, what: &str) -> Vec<f64> {
        let rng = Philox::new(5, stream(what, 0), 0);
        (0..n as u64).map(|e| normal(&rng, e)).collect()
    }

    #[test]
    fn the_parts_make_the_whole_within_their_errors_and_keep_their_bounds() {
        let (n, latent) = (500, 3);
        // Narrow posteriors far apart, wide ones close together, and both.
        for (spread, log_var) in [(3.0, -6.0), (0.3, -0.2), (1.0, -2.0)] {
            let means: Vec<f32> = draws(n * latent, "means").iter().map(|e| (spread * e) as f32).collect();
            let log_vars: Vec<f32> = draws(n * latent, "vars").iter().map(|e| (log_var + 0.3 * e) as f32).collect();
            let s = Surgery::of(&means, &log_vars, latent, 1);
            let off = s.information + s.marginal - s.kl;
            // One z carries both errors, which may add up.
            let error = s.errors[0] + s.errors[1];
            assert!(off.abs() <= 4.0 * error && error < 0.1 * s.kl.max(1.0), "{spread}: {s:?}");
            assert!(s.information >= -4.0 * s.errors[0] && s.information <= (n as f64).ln() + 1e-9, "{spread}: {s:?}");
            assert!(s.marginal >= -4.0 * s.errors[1], "{spread}: {s:?}");
        }
    }

    #[test]
    fn codes_that_tell_examples_apart_tell_all_and_equal_ones_nothing() {
        let (n, latent) = (100, 2);
        let apart: Vec<f32> = (0..n * latent).map(|i| i as f32).collect();
        let s = Surgery::of(&apart, &vec![-10.0; n * latent], latent, 0);
        assert!((s.information - (n as f64).ln()).abs() < 1e-6, "{s:?}");
        let s = Surgery::of(&vec![0.0; n * latent], &vec![0.0; n * latent], latent, 0);
        assert!(s.information.abs() < 1e-6 && s.marginal.abs() < 1e-5 && s.kl == 0.0, "{s:?}");
    }

    #[test]
    fn a_unit_is_active_where_its_mean_varies() {
        // Standard deviations 1, 0.11 and 0.09.
        let means: Vec<f32> =
            (0..100).flat_map(|i| [1.0, 0.11, 0.09].map(|s| s * if i % 2 == 0 { 1.0 } else { -1.0 })).collect();
        assert_eq!(active_units(&means, 3), 2);
    }
}

//! The β-VAE score, Higgins et al. 2017: factor k is drawn; a point is the mean over pairs of examples that share it of
//! |c₁ − c₂|; logistic regression (L2, C = 1) learns k from points, and its accuracy on others is the score.

use super::population::Draws;
use super::{Population, Protocol};
use crate::eval::{Labelled, Logistic, Stop};

pub(super) fn score(population: &impl Population, p: &Protocol) -> f64 {
    let mut draws = Draws::new(p.seed, "eval.beta-vae");
    let (x, y) = points(population, p.train, p.batch, &mut draws);
    let (unseen, truth) = points(population, p.test, p.batch, &mut draws);
    let features = population.latent();
    let train = Labelled { x: &x, features, y: &y };
    let stop = Stop { gradient: 1e-6 * p.train as f64, steps: 1000 };
    let fitted = Logistic::fit(&train, population.factors(), 1.0, stop, None);
    1.0 - fitted.error(&Labelled { x: &unseen, features, y: &truth })
}

/// n points, and the factor that the pairs of each share.
fn points(population: &impl Population, n: usize, pairs: usize, draws: &mut Draws) -> (Vec<f32>, Vec<u32>) {
    let latent = population.latent();
    let (mut x, mut y) = (Vec::with_capacity(n * latent), Vec::with_capacity(n));
    for _ in 0..n {
        let k = draws.below(population.factors());
        let mut point = vec![0.0f64; latent];
        for _ in 0..pairs {
            let first = population.any(draws);
            let second = population.like(first, k, draws);
            let both = population.code(first).iter().zip(population.code(second));
            point.iter_mut().zip(both).for_each(|(p, (a, b))| *p += f64::from(a - b).abs());
        }
        x.extend(point.iter().map(|p| (p / pairs as f64) as f32));
        y.push(k as u32);
    }
    (x, y)
}

//! The FactorVAE score, Kim & Mnih 2018: factor k is drawn, and a batch that shares it; the code whose variance in the batch
//! is least, as a part of its variance over all, votes for k. Each code stands for the factor that it voted for most; the
//! score is how often that is right on further votes.

use super::population::Draws;
use super::{Population, Protocol, Sample};

/// Codes of a smaller standard deviation are pruned: they do not vote.
const PRUNED: f64 = 0.05;

/// The score, and how many codes it is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FactorVae {
    /// The accuracy; 0 where every code is pruned.
    pub score: f64,
    /// Codes that vote.
    pub active: usize,
}

impl FactorVae {
    pub(super) fn of(population: &impl Population, all: &Sample, p: &Protocol) -> Self {
        let variances: Vec<f64> =
            (0..all.latent).map(|d| variance(all.code(d).iter().map(|&c| f64::from(c)), all.len())).collect();
        let active: Vec<usize> = (0..all.latent).filter(|&d| variances[d].sqrt() >= PRUNED).collect();
        if active.is_empty() {
            return Self { score: 0.0, active: 0 };
        }
        let mut draws = Draws::new(p.seed, "eval.factor-vae");
        let mut votes = |n: usize| {
            let mut counts = vec![vec![0usize; population.factors()]; active.len()];
            for _ in 0..n {
                let k = draws.below(population.factors());
                let first = population.any(&mut draws);
                let mut batch = vec![first];
                batch.extend((1..p.batch).map(|_| population.like(first, k, &mut draws)));
                let part = |&d: &usize| {
                    let of_code = batch.iter().map(|&id| f64::from(population.code(id)[d]));
                    variance(of_code, batch.len()) / variances[d]
                };
                let parts: Vec<f64> = active.iter().map(part).collect();
                let least = (1..parts.len()).fold(0, |best, i| if parts[i] < parts[best] { i } else { best });
                counts[least][k] += 1;
            }
            counts
        };
        let (learned, judged) = (votes(p.train), votes(p.test));
        let stands_for =
            |counts: &Vec<usize>| (1..counts.len()).fold(0, |best, k| if counts[k] > counts[best] { k } else { best });
        let right: usize = learned.iter().zip(&judged).map(|(l, j)| j[stands_for(l)]).sum();
        Self { score: right as f64 / p.test as f64, active: active.len() }
    }
}

/// Σ(x − x̄)²/(n − 1).
fn variance(x: impl Iterator<Item = f64> + Clone, n: usize) -> f64 {
    let mean = x.clone().sum::<f64>() / n as f64;
    x.map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1) as f64
}

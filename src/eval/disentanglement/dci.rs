//! DCI, Eastwood & Williams 2018: boosted trees predict each factor from all codes; R\[d, k\] is the importance of code d for
//! factor k.
//!
//! disentanglement Σ_d (ΣR\[d, :\]/ΣR)·(1 − H_K(R\[d, :\])), completeness the same over columns with H_D, where H_b is the
//! entropy, to the base b, of the row as a distribution; informativeness is the mean accuracy.

use super::{Classes, Sample};
use crate::eval::boosting::{Boosting, Columns};
use rayon::prelude::*;

/// The three parts of the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dci {
    /// Whether a code says something of one factor alone.
    pub disentanglement: f64,
    /// Whether a factor stands in one code alone.
    pub completeness: f64,
    /// How well all codes together predict a factor: accuracy.
    pub informativeness: f64,
}

impl Dci {
    pub(super) fn of(train: &Sample, test: &Sample) -> Self {
        let columns = Columns::new(&train.codes, train.latent);
        let by_factor: Vec<(Vec<f64>, f64)> = train
            .factors
            .par_iter()
            .zip(&test.factors)
            .map(|(y, unseen)| {
                let classes = Classes::of(y);
                if classes.len() < 2 {
                    let nothing = vec![0.0; train.latent];
                    return (nothing, classes.accuracy(unseen.iter().map(|_| 0), unseen));
                }
                let fitted = Boosting::fit(&columns, &classes.encode(y), classes.len());
                let predicted = test.codes.chunks_exact(test.latent).map(|row| fitted.predict(row));
                let accuracy = classes.accuracy(predicted, unseen);
                (fitted.importances, accuracy)
            })
            .collect();
        let factors = by_factor.len();
        let importance = |d: usize, k: usize| by_factor[k].0[d];
        let rows: Vec<Vec<f64>> = (0..train.latent).map(|d| (0..factors).map(|k| importance(d, k)).collect()).collect();
        let columns: Vec<Vec<f64>> = by_factor.iter().map(|f| f.0.clone()).collect();
        Self {
            disentanglement: concentration(&rows),
            completeness: concentration(&columns),
            informativeness: by_factor.iter().map(|f| f.1).sum::<f64>() / factors as f64,
        }
    }
}

/// The mean over rows, weighed by their sums, of 1 − the entropy of the row to the base of its length. As in
/// `disentanglement_lib` 10⁻¹¹ is added first, so that a row of zeros is spread evenly.
fn concentration(rows: &[Vec<f64>]) -> f64 {
    let total: f64 = rows.iter().flatten().sum();
    let of_row = |row: &Vec<f64>| {
        let weight = if total == 0.0 { 1.0 / rows.len() as f64 } else { row.iter().sum::<f64>() / total };
        let sum: f64 = row.iter().map(|r| r + 1e-11).sum();
        let entropy: f64 = row.iter().map(|r| (r + 1e-11) / sum).map(|p| -p * p.ln()).sum();
        weight * (1.0 - entropy / (row.len() as f64).ln())
    };
    rows.iter().map(of_row).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_one_factor_is_concentrated_and_an_even_one_is_not() {
        let one = concentration(&[vec![2.0, 0.0, 0.0], vec![0.0, 0.0, 0.5]]);
        let even = concentration(&[vec![1.0; 3], vec![0.2; 3]]);
        // The even row weighs 3 of 4.
        let mixed = concentration(&[vec![1.0; 3], vec![1.0, 0.0, 0.0]]);
        assert!((one - 1.0).abs() < 1e-9 && even.abs() < 1e-9 && (mixed - 0.25).abs() < 1e-9, "{one} {even} {mixed}");
        assert!(concentration(&[vec![0.0; 3], vec![0.0; 3]]).abs() < 1e-9, "codes that say nothing");
    }
}

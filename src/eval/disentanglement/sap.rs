//! SAP, Kumar et al. 2018: mean_k of how much better the best single code predicts factor k than the second best; a linear
//! support vector machine predicts (C = 0.01, classes balanced), and its accuracy counts.

use super::{Classes, Sample, top_two};
use crate::eval::svm::LinearSvm;
use rayon::prelude::*;

const C: f64 = 0.01;

pub(super) fn score(train: &Sample, test: &Sample) -> f64 {
    let factors = train.factors.len();
    let accuracies: Vec<Vec<f64>> = (0..train.latent)
        .into_par_iter()
        .map(|d| {
            let (x, unseen) = (train.code(d), test.code(d));
            let of_factor = |k: usize| {
                let classes = Classes::of(&train.factors[k]);
                let y = classes.encode(&train.factors[k]);
                if classes.len() < 2 {
                    return classes.accuracy(unseen.iter().map(|_| 0), &test.factors[k]);
                }
                let svm = LinearSvm::fit(&x, &y, classes.len(), C);
                classes.accuracy(unseen.iter().map(|&x| svm.predict(x)), &test.factors[k])
            };
            (0..factors).map(of_factor).collect()
        })
        .collect();
    let gap = |k: usize| {
        let (first, second) = top_two(accuracies.iter().map(|of_code| of_code[k]));
        first - second
    };
    (0..factors).map(gap).sum::<f64>() / factors as f64
}

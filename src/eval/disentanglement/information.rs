//! Mutual information of codes and factors, and the two scores made of it. I(c; v) = Σ p(c, v) ln p(c, v)/(p(c) p(v)), of
//! codes in 20 bins of equal width, by counts, in nats.

use super::{Sample, top_two};

/// Bins of a code, between its least and its largest value.
const BINS: usize = 20;

/// I(c_d; v_k) by code and factor, and H(v_k).
pub(super) struct Information {
    mutual: Vec<Vec<f64>>,
    entropy: Vec<f64>,
}

impl Information {
    pub fn of(sample: &Sample) -> Self {
        let of_code = |d: usize| {
            let code = binned(&sample.code(d));
            sample.factors.iter().map(|v| mutual(&code, v)).collect()
        };
        Self {
            mutual: (0..sample.latent).map(of_code).collect(),
            // What a variable says of itself.
            entropy: sample.factors.iter().map(|v| mutual(v, v)).collect(),
        }
    }

    /// The mutual information gap, mean_k (I(c₁; v_k) − I(c₂; v_k))/H(v_k), of the two codes that say most of v_k.
    pub fn mig(&self) -> f64 {
        let gap = |(k, h): (usize, &f64)| {
            let (first, second) = top_two(self.mutual.iter().map(|of_code| of_code[k]));
            (first - second) / h
        };
        self.entropy.iter().enumerate().map(gap).sum::<f64>() / self.entropy.len() as f64
    }

    /// mean_d 1 − (Σ_k I² − max_k I²)/(max_k I²·(K − 1)), with I = I(c_d; v_k); a code that says nothing of any factor
    /// counts 0.
    pub fn modularity(&self) -> f64 {
        let of_code = |of_code: &Vec<f64>| {
            let squares = || of_code.iter().map(|i| i * i);
            let most = squares().fold(0.0, f64::max);
            let others = squares().sum::<f64>() - most;
            if most == 0.0 { 0.0 } else { 1.0 - others / (most * (of_code.len() - 1) as f64) }
        };
        self.mutual.iter().map(of_code).sum::<f64>() / self.mutual.len() as f64
    }
}

/// The bin of each value, from 0 on: the edges are min + i·(max − min)/20, each the least of its bin. As NumPy has it, a code
/// of one value lies in the middle of a range of 1.
fn binned(code: &[f32]) -> Vec<u32> {
    let (low, high) = code.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &c| {
        let c = f64::from(c);
        (low.min(c), high.max(c))
    });
    let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
    let width = (high - low) / BINS as f64;
    let edges: Vec<f64> = (0..BINS).map(|i| i as f64 * width + low).collect();
    code.iter().map(|&c| edges.partition_point(|&e| e <= f64::from(c)) as u32).collect()
}

/// I(a; b) by counts, nats.
fn mutual(a: &[u32], b: &[u32]) -> f64 {
    let size = |v: &[u32]| v.iter().max().map_or(0, |&m| m as usize + 1);
    let (rows, columns) = (size(a), size(b));
    let mut joint = vec![0usize; rows * columns];
    a.iter().zip(b).for_each(|(&a, &b)| joint[a as usize * columns + b as usize] += 1);
    let of_a: Vec<usize> = joint.chunks(columns).map(|row| row.iter().sum()).collect();
    let of_b: Vec<usize> = (0..columns).map(|j| joint.iter().skip(j).step_by(columns).sum()).collect();
    let values = |counts: &[usize]| counts.iter().filter(|&&c| c > 0).count();
    // Exactly 0, and no rounding of it.
    if values(&of_a) < 2 || values(&of_b) < 2 {
        return 0.0;
    }
    let n = a.len() as f64;
    let term = |(at, &count): (usize, &usize)| {
        let (i, j) = (at / columns, at % columns);
        let p = count as f64 / n;
        if count == 0 { 0.0 } else { p * (count as f64 * n / (of_a[i] as f64 * of_b[j] as f64)).ln() }
    };
    joint.iter().enumerate().map(term).sum::<f64>().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn information_is_the_entropy_of_a_copy_and_nothing_of_the_independent() {
        let a: Vec<u32> = (0..120).map(|i| i % 3).collect();
        let b: Vec<u32> = (0..120).map(|i| i / 3 % 4).collect();
        assert!((mutual(&a, &a) - 3f64.ln()).abs() < 1e-12);
        assert_eq!(mutual(&a, &b), 0.0);
        assert_eq!(mutual(&a, &[7; 120]), 0.0);
    }

    #[test]
    fn an_edge_belongs_to_the_bin_that_it_begins() {
        assert_eq!(binned(&[0.0, 20.0, 0.99, 1.0, 19.0, 18.99]), [1, 20, 1, 2, 20, 19]);
        assert_eq!(binned(&[3.0, 3.0]), [11, 11]);
    }
}

//! Principal component analysis, the linear autoencoder that needs no training (Baldi & Hornik 1989).

use crate::data::Split;
use crate::exec::product;
use nalgebra::{DMatrix, SymmetricEigen};

/// The mean and the leading components of a set of bytes, scaled to [0, 1].
pub struct Pca {
    mean: Vec<f64>,
    /// Row k is the k-th component, of length 1.
    components: DMatrix<f64>,
}

/// Examples whose products are summed in f32 before they join the sum in f64.
const BLOCK: usize = 1000;

impl Pca {
    /// The most features that it takes: the eigenvectors of a matrix of as many rows are found, on one core.
    pub const MAX_FEATURES: usize = 2048;

    /// The first `k` components of a split: eigenvectors of Σ (x − m)(x − m)ᵀ.
    pub fn fit(split: &Split, k: usize) -> Self {
        let (n, d) = (split.len(), split.inner);
        let mut mean = vec![0.0; d];
        for i in 0..n {
            mean.iter_mut().zip(&*split.image(i)).for_each(|(m, &b)| *m += f64::from(b) / 255.0);
        }
        mean.iter_mut().for_each(|m| *m /= n as f64);
        let mut scatter = DMatrix::<f64>::zeros(d, d);
        let mut block = Vec::with_capacity(BLOCK * d);
        for start in (0..n).step_by(BLOCK) {
            let rows = BLOCK.min(n - start);
            block.clear();
            for i in start..start + rows {
                block.extend(split.image(i).iter().zip(&mean).map(|(&b, m)| (f64::from(b) / 255.0 - m) as f32));
            }
            for (s, g) in scatter.iter_mut().zip(product(&block, &block, (d, d, rows), (true, false))) {
                *s += f64::from(g);
            }
        }
        let eigen = SymmetricEigen::new(scatter);
        let mut order: Vec<usize> = (0..d).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let components = DMatrix::from_fn(k.min(d), d, |r, c| eigen.eigenvectors[(c, order[r])]);
        Self { mean, components }
    }

    /// The mean over examples of ‖x − m − Σₖ ⟨x − m, vₖ⟩ vₖ‖², summed over features.
    pub fn squared_error(&self, split: &Split) -> f64 {
        let d = split.inner;
        let total: f64 = (0..split.len())
            .map(|i| {
                let image = split.image(i);
                let x = image.iter().zip(&self.mean).map(|(&b, m)| f64::from(b) / 255.0 - m);
                let x = nalgebra::DVector::from_iterator(d, x);
                // Components are orthonormal: what is projected away is what is left.
                x.norm_squared() - (&self.components * &x).norm_squared()
            })
            .sum();
        total / split.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_a_plane_is_found_by_two_components() {
        // Bytes that are a mean plus two directions, exactly.
        let image = |i: usize| {
            let (a, b) = ((i * 37 % 50) as i32, (i * 23 % 40) as i32);
            [100 + a, 100 - a + b, 50 + 2 * b, 60 + a].map(|v| v as u8)
        };
        let bytes = (0..200).flat_map(image).collect();
        let split = Split::stored(bytes, vec![], 4);
        assert!(Pca::fit(&split, 2).squared_error(&split) < 1e-5);
        let one = Pca::fit(&split, 1).squared_error(&split);
        let none = Pca::fit(&split, 0).squared_error(&split);
        assert!(one > 1e-3 && none > one, "{one} {none}");
    }
}

//! Codes as they lie: which dimensions move, the plane in which they spread, and the paths along which pictures are
//! drawn.

use nalgebra::{DMatrix, SymmetricEigen};

/// The codes of some examples, and how each dimension is spread.
pub struct Codes<'a> {
    values: &'a [f32],
    /// Their number of dimensions.
    pub latent: usize,
    /// The mean of each dimension.
    pub mean: Vec<f64>,
    /// The standard deviation of each dimension.
    pub sd: Vec<f64>,
}

/// Codes in two dimensions.
pub struct Plane {
    /// A point a code.
    pub points: Vec<(f64, f64)>,
    /// What the two directions are.
    pub axes: [String; 2],
}

/// The most dimensions of which the plane of greatest spread is sought: eigenvectors of a matrix of as many rows.
const MAX_PLANE: usize = 512;

impl<'a> Codes<'a> {
    /// Of codes \[n, latent\], n ≥ 1.
    pub fn new(values: &'a [f32], latent: usize) -> Self {
        let n = (values.len() / latent) as f64;
        let column = |d: usize| values.iter().skip(d).step_by(latent).map(|&v| f64::from(v));
        let mean: Vec<f64> = (0..latent).map(|d| column(d).sum::<f64>() / n).collect();
        let sd = (0..latent).map(|d| (column(d).map(|v| (v - mean[d]).powi(2)).sum::<f64>() / n).sqrt()).collect();
        Self { values, latent, mean, sd }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.latent
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The dimensions, from the one that is spread most.
    pub fn by_spread(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.latent).collect();
        order.sort_by(|&a, &b| self.sd[b].total_cmp(&self.sd[a]));
        order
    }

    /// The code of example `i`.
    pub fn of(&self, i: usize) -> &'a [f32] {
        &self.values[i * self.latent..][..self.latent]
    }

    /// The codes of `base` with dimension d at `steps` places from −`reach` to `reach`: standard deviations of a standard
    /// normal prior, or where there is none (`prior` false), of the dimension about its mean.
    pub fn traverse(&self, base: usize, d: usize, steps: usize, reach: f64, prior: bool) -> Vec<f32> {
        let (mean, sd) = if prior { (0.0, 1.0) } else { (self.mean[d], self.sd[d]) };
        let mut codes = Vec::with_capacity(steps * self.latent);
        for i in 0..steps {
            let at = codes.len();
            codes.extend(self.of(base));
            codes[at + d] = (mean + sd * (reach * (2.0 * i as f64 / (steps - 1) as f64 - 1.0))) as f32;
        }
        codes
    }

    /// The codes in two dimensions: the code's own, or its first two principal components. None of one dimension, or of
    /// very many.
    pub fn plane(&self) -> Option<Plane> {
        if self.latent == 2 {
            let points = self.values.chunks_exact(2).map(|z| (f64::from(z[0]), f64::from(z[1])));
            return Some(Plane { points: points.collect(), axes: ["z1".into(), "z2".into()] });
        }
        if !(3..=MAX_PLANE).contains(&self.latent) {
            return None;
        }
        let n = self.values.len() / self.latent;
        let x = DMatrix::from_fn(n, self.latent, |i, d| f64::from(self.values[i * self.latent + d]) - self.mean[d]);
        let eigen = SymmetricEigen::new(x.tr_mul(&x));
        let mut order: Vec<usize> = (0..self.latent).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let total: f64 = eigen.eigenvalues.iter().sum();
        let axis = |k: usize| {
            let share = 100.0 * eigen.eigenvalues[order[k]] / total;
            (&x * eigen.eigenvectors.column(order[k]), format!("principal component {} ({share:.0} %)", k + 1))
        };
        let ((a, a_name), (b, b_name)) = (axis(0), axis(1));
        Some(Plane { points: a.iter().copied().zip(b.iter().copied()).collect(), axes: [a_name, b_name] })
    }
}

/// `steps` codes on the straight line from one to the other, both included; steps ≥ 2.
pub fn between(from: &[f32], to: &[f32], steps: usize) -> Vec<f32> {
    let at = |i: usize| i as f32 / (steps - 1) as f32;
    (0..steps).flat_map(|i| from.iter().zip(to).map(move |(f, t)| (1.0 - at(i)) * f + at(i) * t)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traversal_moves_one_dimension_alone() {
        let values = [0.0, 10.0, 2.0, 2.0, 10.0, 4.0];
        let codes = Codes::new(&values, 3);
        assert_eq!((codes.mean.clone(), codes.sd.clone()), (vec![1.0, 10.0, 3.0], vec![1.0, 0.0, 1.0]));
        assert_eq!(codes.by_spread(), [0, 2, 1]);
        let along = codes.traverse(1, 2, 3, 2.0, false);
        assert_eq!(along, [2.0, 10.0, 1.0, 2.0, 10.0, 3.0, 2.0, 10.0, 5.0]);
        assert_eq!(codes.traverse(1, 2, 3, 2.0, true)[2], -2.0);
    }

    #[test]
    fn the_plane_is_that_of_greatest_spread() {
        // Points of the plane spanned by (0, 3, 4)/5 and (1, 0, 0).
        let values: Vec<f32> = (0..50)
            .flat_map(|i| {
                let (a, b) = ((i * 7 % 50) as f32 - 25.0, (i * 11 % 9) as f32 - 4.0);
                [b, 0.6 * a, 0.8 * a]
            })
            .collect();
        let Plane { points, axes } = Codes::new(&values, 3).plane().unwrap();
        assert!(axes[0].starts_with("principal component 1"));
        let spread = |f: fn(&(f64, f64)) -> f64| points.iter().map(|p| f(p).powi(2)).sum::<f64>();
        let total: f64 = Codes::new(&values, 3).sd.iter().map(|s| 50.0 * s * s).sum();
        assert!((spread(|p| p.0) + spread(|p| p.1) - total).abs() < 1e-6 * total);
        assert!(spread(|p| p.0) > 5.0 * spread(|p| p.1));
    }

    #[test]
    fn a_line_has_both_its_ends() {
        assert_eq!(between(&[0.0, 4.0], &[2.0, 0.0], 3), [0.0, 4.0, 1.0, 2.0, 2.0, 0.0]);
    }
}

//! Gaussians with any covariance. In nats, per Gaussian: log-densities, entropies and divergences are sums over the
//! dimensions, of the shape of the axes in front of them.

use super::{LOG_VAR_MAX, LOG_VAR_MIN};
use crate::graph::{Axes, Tensor};
use std::f64::consts::TAU;

/// N(μ, Σ), Σ = L Lᵀ; the axes in front of the dimensions are those of a batch of Gaussians.
#[derive(Clone, Copy, Debug)]
pub struct Gaussian<'g> {
    /// μ: \[…, d\].
    pub mean: Tensor<'g>,
    /// L, lower triangular with a positive diagonal: \[…, d, d\].
    pub scale_tril: Tensor<'g>,
    /// ½ ln det Σ = Σᵢ ln Lᵢᵢ: \[…\].
    pub half_log_det: Tensor<'g>,
}

impl<'g> Gaussian<'g> {
    /// The most dimensions of a Gaussian whose covariance is factored, or whose log-density or `kl` is asked for.
    pub const MAX_DIMENSIONS: usize = crate::kernels::cholesky::MAX_ROWS;

    /// N(mean, Σ): \[…, d\] and \[…, d, d\], d at most 128. Of Σ only the lower triangle is read, and has the gradient.
    /// Where Σ is not positive definite, whatever depends on L is NaN.
    #[track_caller]
    pub fn from_covariance(mean: Tensor<'g>, covariance: Tensor<'g>) -> Self {
        Self::of(mean, covariance.cholesky())
    }

    /// N(mean, L Lᵀ): \[…, d\] and \[…, d, d\]. Of L only the lower triangle is read; its diagonal must be positive.
    #[track_caller]
    pub fn from_scale_tril(mean: Tensor<'g>, scale_tril: Tensor<'g>) -> Self {
        Self::of(mean, scale_tril.triangle(1.0))
    }

    #[track_caller]
    fn of(mean: Tensor<'g>, scale_tril: Tensor<'g>) -> Self {
        let (m, l) = (mean.shape(), scale_tril.shape());
        let fits = m.rank() > 0 && l.dims() == [m.dims(), &[m.last()]].concat();
        assert!(fits, "a Gaussian of mean {m} has a matrix of one axis more, and not {l}");
        let half_log_det = over(1, scale_tril.diagonal().ln());
        Self { mean, scale_tril, half_log_det }
    }

    /// N(mean, L Lᵀ) from any d and d(d + 1)/2 numbers, as an encoder gives them: \[…, d\] and \[…, d(d + 1)/2\].
    ///
    /// Lᵢᵢ = e^(½ lvᵢ), where lv, limited as in [`DiagonalGaussian`](super::DiagonalGaussian), is the first d numbers;
    /// what stands below the diagonal is the others, as they are. If those are 0, this is the diagonal Gaussian of
    /// log-variance lv; they change covariances, and variances too: Σᵢᵢ = Σₖ Lᵢₖ².
    ///
    /// The others fill a triangle of e = d − 1 rows, L without its first row and last column. They are the rows of a
    /// matrix R of ⌈e/2⌉ columns (Gustavson et al. 2010, rectangular full packed format), of e rows, or of e + 1 where
    /// e is even; Lᵢ₊₁ⱼ is R\[i, j\], or R\[i + 1, j\] where e is even, for j < ⌈e/2⌉, and the rest of the triangle stands
    /// transposed in what R has above: no number is unused.
    #[track_caller]
    pub fn from_packed(mean: Tensor<'g>, packed: Tensor<'g>) -> Self {
        let (m, p) = (mean.shape(), packed.shape());
        let d = m.last();
        let fits = p.rank() == m.rank() && p.dims()[..p.rank() - 1] == m.dims()[..m.rank() - 1];
        let wanted = d * (d + 1) / 2;
        assert!(
            fits && p.last() == wanted,
            "a Gaussian of mean {m} takes {wanted} numbers of its triangle, and not {p}"
        );
        let n = mean.len() / d;
        let rows = packed.reshape(&[n, wanted]);
        let log_var = rows.slice(&[0, 0], &[n, d]).clamp(LOG_VAR_MIN, LOG_VAR_MAX);
        let diagonal = (log_var * 0.5).exp().diagonal_matrix();
        let scale_tril = match d {
            1 => diagonal,
            _ => diagonal + below(rows.slice(&[0, d], &[n, wanted - d]), d - 1),
        };
        let scale_tril = scale_tril.reshape(&[m.dims(), &[d]].concat()).in_batch(mean.batch_axis());
        let half_log_det = over(1, log_var.reshape(m.dims()).in_batch(mean.batch_axis())) * 0.5;
        Self { mean, scale_tril, half_log_det }
    }

    /// Σ = L Lᵀ: \[…, d, d\].
    pub fn covariance(&self) -> Tensor<'g> {
        self.scale_tril.matrix_product(self.scale_tril, false, true)
    }

    /// z = μ + L ε, for noise ε ~ N(0, I) of μ's shape or with an axis of samples in front: \[samples, …, d\].
    #[track_caller]
    pub fn sample(&self, noise: Tensor<'g>) -> Tensor<'g> {
        let columns = self.columns("noise", noise);
        let moved = self.stack().matmul(columns) + self.mean.reshape(&[columns.shape()[0], self.dimensions(), 1]);
        self.uncolumned(moved, noise)
    }

    /// ln N(x; μ, Σ) = −½‖L⁻¹(x − μ)‖² − ½ ln det Σ − ½d ln 2π, for x of μ's shape or with an axis of samples in front:
    /// \[samples, …\].
    #[track_caller]
    pub fn log_prob(&self, x: Tensor<'g>) -> Tensor<'g> {
        let columns = self.columns("x", x);
        let from_mean = columns - self.mean.reshape(&[columns.shape()[0], self.dimensions(), 1]);
        let white = self.uncolumned(self.stack().triangular_solve(from_mean, false), x);
        let constant = -0.5 * self.dimensions() as f64 * TAU.ln();
        (over(1, white.square()) * -0.5 - self.half_log_det) + constant
    }

    /// −E ln N(x; μ, Σ) = ½d(1 + ln 2π) + ½ ln det Σ: \[…\].
    pub fn entropy(&self) -> Tensor<'g> {
        self.half_log_det + 0.5 * self.dimensions() as f64 * (1.0 + TAU.ln())
    }

    /// KL(self ‖ other) = ½\[tr(Σ₂⁻¹Σ₁) + (μ₂ − μ₁)ᵀΣ₂⁻¹(μ₂ − μ₁) − d + ln(det Σ₂/det Σ₁)\]: \[…\]. With Σᵢ = LᵢLᵢᵀ the
    /// first two are ‖L₂⁻¹L₁‖² and ‖L₂⁻¹(μ₂ − μ₁)‖². One Gaussian may stand for each of a batch.
    #[track_caller]
    pub fn kl(&self, other: &Self) -> Tensor<'g> {
        let (p, q) = (self.beside(other), other.beside(self));
        let d = p.dimensions();
        let ratio = q.scale_tril.triangular_solve(p.scale_tril, false);
        let away = q.mean - p.mean;
        let column = away.reshape(&[away.shape().dims(), &[1]].concat()).in_batch(p.mean.batch_axis());
        let away = q.scale_tril.triangular_solve(column, false);
        let squares = over(2, ratio.square()) + over(2, away.square());
        (squares - d as f64) * 0.5 + (other.half_log_det - self.half_log_det)
    }

    /// KL(self ‖ N(0, I)) = ½(‖L‖² + ‖μ‖² − d) − ½ ln det Σ: \[…\].
    pub fn kl_standard(&self) -> Tensor<'g> {
        let squares = over(2, self.scale_tril.square()) + over(1, self.mean.square());
        (squares - self.dimensions() as f64) * 0.5 - self.half_log_det
    }

    fn dimensions(&self) -> usize {
        self.mean.shape().last()
    }

    /// L of all Gaussians: \[n, d, d\].
    fn stack(&self) -> Tensor<'g> {
        let d = self.dimensions();
        self.scale_tril.reshape(&[self.mean.len() / d, d, d])
    }

    /// Points \[samples, …, d\] or \[…, d\] as columns of a matrix for each Gaussian: \[n, d, samples\].
    #[track_caller]
    fn columns(&self, what: &str, x: Tensor<'g>) -> Tensor<'g> {
        let (s, m, d) = (x.shape(), self.mean.shape(), self.dimensions());
        let fits = s.dims().ends_with(m.dims()) && s.rank() <= m.rank() + 1;
        assert!(fits, "{what} of shape {s}: a Gaussian of mean {m} takes that shape, or one more axis in front");
        let (n, samples) = (m.len() / d, x.len() / m.len());
        match samples {
            // A point is a column: nothing moves.
            1 => x.reshape(&[n, d, 1]),
            _ => x.reshape(&[samples, n, d]).permute(&[1, 2, 0]),
        }
    }

    /// Columns again as points, in the shape of `x`.
    fn uncolumned(&self, columns: Tensor<'g>, x: Tensor<'g>) -> Tensor<'g> {
        let front = x.shape().rank() - self.mean.shape().rank();
        let points = if columns.shape().last() == 1 { columns } else { columns.permute(&[2, 0, 1]) };
        points.reshape(x.shape().dims()).in_batch(self.mean.batch_axis().map(|axis| axis + front))
    }

    /// The same Gaussian, repeated over the axes in which the other has more.
    #[track_caller]
    fn beside(&self, other: &Self) -> Self {
        let (a, b) = (self.mean, other.mean);
        // The shape of a sum is what both broadcast to; the sum itself has no reader.
        let mean = a.broadcast((a + b).shape());
        let scale_tril = self.scale_tril.broadcast((self.scale_tril + other.scale_tril).shape());
        Self { mean, scale_tril, ..*self }
    }
}

/// Σ over the last axes, so many.
#[track_caller]
fn over(axes: usize, t: Tensor<'_>) -> Tensor<'_> {
    let r = t.shape().rank();
    t.sum(Axes::Numbered(r - axes, r))
}

/// The triangles of e rows that are packed in `numbers`, one row further down in matrices of e + 1 rows:
/// \[n, e(e + 1)/2\] → \[n, e + 1, e + 1\].
fn below(numbers: Tensor<'_>, e: usize) -> Tensor<'_> {
    let (n, d) = (numbers.shape()[0], e + 1);
    // Of the rectangle, `cols` columns hold the first columns of the triangle, from row `top` on; the last e − cols, a
    // triangle again, stand transposed above them.
    let (cols, top) = (e.div_ceil(2), usize::from(e.is_multiple_of(2)));
    let rest = e - cols;
    let rectangle = numbers.reshape(&[n, e + top, cols]);
    let first = rectangle.slice(&[0, top, 0], &[n, e, cols]).pad(&[0, 1, 0], &[n, d, d]);
    let both = match rest {
        0 => first,
        _ => {
            let other = rectangle.slice(&[0, 0, 1 - top], &[n, rest, rest]).transpose();
            first + other.pad(&[0, 1 + cols, cols], &[n, d, d])
        }
    };
    // Each part brings the other one with it, above the diagonal and on it.
    both.triangle(0.0)
}

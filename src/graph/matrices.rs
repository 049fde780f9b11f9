//! What a [`Tensor`] can be as a stack of matrices, in its last two axes: triangles, solutions, factors, diagonals.

use super::op::Op;
use super::tensor::{Tensor, bad};
use crate::kernels::{cholesky, triangular_solve};

impl<'g> Tensor<'g> {
    /// The rows, and columns, of the square matrices in the last two axes.
    #[track_caller]
    fn order(self, op: &str, most: usize) -> usize {
        let s = self.shape();
        let r = s.rank();
        if r < 2 || s[r - 1] != s[r - 2] {
            bad(self.graph, op, &[s], "the last two axes are to be those of square matrices");
        }
        if s[r - 1] > most {
            bad(self.graph, op, &[s], &format!("the matrices have more than {most} rows"));
        }
        s[r - 1]
    }

    /// x below the diagonal, s·x on it, 0 above; \[…, d, d\].
    #[track_caller]
    pub fn triangle(self, s: f64) -> Self {
        self.order("triangle", usize::MAX);
        self.make(Op::Triangle(s), &[self.id], self.shape(), self.batch_axis())
    }

    /// X with L X = B, or Lᵀ X = B where `transposed`; self is L \[…, d, d\], of which only the lower triangle is read,
    /// `b` B \[…, d, m\] with the same axes in front; d is 128 at most.
    #[track_caller]
    pub fn triangular_solve(self, b: Self, transposed: bool) -> Self {
        let d = self.order("triangular_solve", triangular_solve::MAX_ROWS);
        let (l, s) = (self.shape(), b.shape());
        let r = l.rank();
        if s.rank() != r || s[r - 2] != d || s.dims()[..r - 2] != l.dims()[..r - 2] {
            bad(self.graph, "triangular_solve", &[l, s], "the second is to have the rows of the first, and its axes");
        }
        let batch = self.batch_axis().or(b.batch_axis()).filter(|&axis| axis < r - 2);
        self.make(Op::TriangularSolve { transposed }, &[self.id, b.id], s, batch)
    }

    /// The lower triangular L with L Lᵀ = self, \[…, d, d\], d at most 128. Only the lower triangle of self is read, and
    /// has the gradient: an element below the diagonal stands for the one above too. Where a matrix is not positive
    /// definite, L is NaN from the first column on that has no root.
    #[track_caller]
    pub fn cholesky(self) -> Self {
        self.order("cholesky", cholesky::MAX_ROWS);
        self.make(Op::Cholesky, &[self.id], self.shape(), self.batch_axis())
    }

    /// The diagonals of square matrices: \[…, d, d\] → \[…, d\].
    #[track_caller]
    pub fn diagonal(self) -> Self {
        let d = self.order("diagonal", usize::MAX);
        let (n, batch) = (self.len() / (d * d), self.batch_axis());
        // In rows of d + 1, each begins with an element of the diagonal.
        let rows = self.reshape(&[n, d * d]).pad(&[0, 0], &[n, d * (d + 1)]).reshape(&[n, d, d + 1]);
        let shape = self.shape();
        rows.slice(&[0, 0, 0], &[n, d, 1]).reshape(&shape.dims()[..shape.rank() - 1]).in_batch(batch)
    }

    /// The matrices with these diagonals, and 0 elsewhere: \[…, d\] → \[…, d, d\].
    #[track_caller]
    pub fn diagonal_matrix(self) -> Self {
        let (shape, batch) = (self.shape(), self.batch_axis());
        if shape.rank() == 0 {
            bad(self.graph, "diagonal_matrix", &[shape], "a scalar is no diagonal");
        }
        let (d, n) = (shape.last(), self.len() / shape.last());
        let rows = self.reshape(&[n, d, 1]).pad(&[0, 0, 0], &[n, d, d + 1]).reshape(&[n, d * (d + 1)]);
        rows.slice(&[0, 0], &[n, d * d]).reshape(&[shape.dims(), &[d]].concat()).in_batch(batch)
    }

    /// op(self)·op(o) of the matrices in the last two axes, for the same axes in front of them; `ta`, `tb` transpose.
    #[track_caller]
    pub fn matrix_product(self, o: Self, ta: bool, tb: bool) -> Self {
        let (a, b) = (self.shape(), o.shape());
        let r = a.rank();
        if r < 2 || b.rank() != r || a.dims()[..r - 2] != b.dims()[..r - 2] {
            bad(self.graph, "matrix_product", &[a, b], "two matrices, or as many, are multiplied");
        }
        if r == 2 {
            return self.matmul_as(o, ta, tb);
        }
        let front = &a.dims()[..r - 2];
        let stack = |t: Self| t.reshape(&[front.iter().product(), t.shape()[r - 2], t.shape()[r - 1]]);
        let y = stack(self).matmul_as(stack(o), ta, tb);
        let batch = self.batch_axis().or(o.batch_axis()).filter(|&axis| axis < r - 2);
        y.reshape(&[front, &y.shape().dims()[1..]].concat()).in_batch(batch)
    }
}

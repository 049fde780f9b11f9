//! Shapes of dense, row-major tensors of rank 0 to 5.

use std::fmt;

/// The highest rank that a tensor may have: Monte-Carlo samples, batch, height, width, channels.
pub const MAX_RANK: usize = 5;

/// The extents of a dense, row-major tensor; rank 0 is a scalar. `Copy`, so that formulas need no clone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Shape {
    dims: [usize; MAX_RANK],
    rank: usize,
}

impl Shape {
    /// The shape of one number.
    pub const SCALAR: Shape = Shape { dims: [0; MAX_RANK], rank: 0 };

    /// A shape of the given extents. Panics above [`MAX_RANK`] or at an extent of 0: both are bugs of a model.
    #[track_caller]
    pub fn new(dims: &[usize]) -> Self {
        assert!(dims.len() <= MAX_RANK, "rank {} of {dims:?} is above {MAX_RANK}", dims.len());
        assert!(dims.iter().all(|&d| d > 0), "shape {dims:?} has an empty axis");
        let mut s = Self { rank: dims.len(), ..Self::SCALAR };
        s.dims[..dims.len()].copy_from_slice(dims);
        s
    }

    /// The extents, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank]
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The number of elements, ∏ dims (1 for a scalar).
    pub fn len(&self) -> usize {
        self.dims().iter().product()
    }

    /// Never true: empty axes are refused at construction. Here because clippy expects it beside `len`.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The extent of the innermost axis (1 for a scalar).
    pub fn last(&self) -> usize {
        self.dims().last().copied().unwrap_or(1)
    }

    /// Row-major strides in elements.
    pub fn strides(&self) -> [usize; MAX_RANK] {
        let mut s = [0; MAX_RANK];
        let mut step = 1;
        for i in (0..self.rank).rev() {
            s[i] = step;
            step *= self.dims[i];
        }
        s
    }
}

impl std::ops::Index<usize> for Shape {
    type Output = usize;
    fn index(&self, i: usize) -> &usize {
        &self.dims()[i]
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rank == 0 {
            return f.write_str("scalar");
        }
        let text: Vec<String> = self.dims().iter().map(usize::to_string).collect();
        f.write_str(&text.join("x"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_row_major() {
        let s = Shape::new(&[2, 3, 4]);
        assert_eq!((s.len(), s.last(), &s.strides()[..3]), (24, 4, &[12, 4, 1][..]));
        assert_eq!((Shape::SCALAR.len(), Shape::SCALAR.last()), (1, 1));
        assert_eq!((s.to_string(), Shape::SCALAR.to_string()), ("2x3x4".into(), "scalar".into()));
    }

    #[test]
    #[should_panic(expected = "empty axis")]
    fn an_empty_axis_is_refused() {
        Shape::new(&[3, 0]);
    }
}

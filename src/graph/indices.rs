//! Indices: which element is the largest, rows by their index, and the rows of one index added up. An index is a whole
//! number as a real, exact below 2²⁴, so that it is reshaped, packed and written as any tensor is.

use super::op::Op;
use super::tensor::{Tensor, bad};
use crate::values::Shape;

/// Above this not every whole number is an f32.
const MOST: usize = 1 << 24;

impl<'g> Tensor<'g> {
    /// The place of the largest element of each row (the last axis, which vanishes), at a tie the first: a whole number.
    /// −0 is 0, and NaN is above every number. No gradient passes.
    #[track_caller]
    pub fn argmax(self) -> Self {
        let (from, r) = (self.shape(), self.shape().rank());
        if r == 0 || from.last() > MOST {
            bad(self.graph, "argmax", &[from], "a row of 1 to 2²⁴ elements is expected");
        }
        let batch = self.batch_axis().filter(|&axis| axis < r - 1);
        self.make(Op::ArgMax, &[self.id], Shape::new(&from.dims()[..r - 1]), batch)
    }

    /// The rows of this table \[k, d\] at an index \[…\]: \[…, d\]; or of a table for each of the last axis of the index,
    /// \[books, k, d\] at \[…, books\]: \[…, books, d\]. Of an index the whole part counts, and past the last row the last.
    /// The gradient in the table is [`Tensor::segment_sum`]; none passes through the index.
    #[track_caller]
    pub fn gather(self, index: Self) -> Self {
        let [_, _, d] = tables(self, "gather", self.shape(), index.shape());
        let shape = Shape::new(&[index.shape().dims(), &[d]].concat());
        self.make(Op::Gather, &[self.id, index.id], shape, index.batch_axis())
    }

    /// The rows \[…, d\] of each index \[…\] added up, a `table` of \[k, d\]; or, for an index \[…, books\], \[books, k, d\]:
    /// row j is the sum of those whose index is j, 0 where there is none. What [`Tensor::gather`] spread, this collects;
    /// its gradient is a gather.
    #[track_caller]
    pub fn segment_sum(self, index: Self, table: Shape) -> Self {
        let [_, _, d] = tables(self, "segment_sum", table, index.shape());
        if self.shape().dims() != [index.shape().dims(), &[d]].concat() {
            bad(
                self.graph,
                "segment_sum",
                &[self.shape(), index.shape()],
                "a row of the table for each index is expected",
            );
        }
        self.make(Op::SegmentSum, &[self.id, index.id], table, None)
    }
}

/// \[books, k, d\] of a table that an index goes into.
#[track_caller]
fn tables(of: Tensor<'_>, op: &str, table: Shape, index: Shape) -> [usize; 3] {
    let books = match table.dims() {
        [k, _] if *k <= MOST => Some(1),
        [books, k, _] if *k <= MOST && index.rank() > 0 && index.last() == *books => Some(*books),
        _ => None,
    };
    let Some(books) = books else {
        bad(
            of.graph,
            op,
            &[table, index],
            "[k, d] and any index, or [books, k, d] and […, books] are expected, k ≤ 2²⁴",
        )
    };
    let r = table.rank();
    [books, table[r - 2], table[r - 1]]
}

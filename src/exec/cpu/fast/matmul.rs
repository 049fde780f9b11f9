//! y\[b\] = act(op(A\[b\]) · op(B\[b\]) + bias + c\[b\]) · slope′(h\[b\]) at f32 by the crate `gemm`, on all cores; see
//! [`matmul_vec4`](crate::kernels::matmul_vec4) for forms and shapes. Serves both matmul kernels.

#![expect(
    unsafe_code,
    reason = "gemm takes pointers and strides, and tasks write tiles of one y; the one place where elbo does, lengths \
              asserted first"
)]

use crate::kernels::matmul_vec4::{Act, Form, MatmulParams};
use crate::values::Real;
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// The rows and columns of y that one task computes: 64 columns in all rows, so that gemm packs each part of B once
/// (tasks of rows packed all of it each, a sixth of the time where B is transposed), rows in parts too where that gives
/// fewer than half of eight tasks, and enough of both to pay for a task. A function of the shape alone, and so is gemm's
/// blocking along k: the bits do not depend on the number of threads.
fn task(m: usize, n: usize, k: usize) -> (usize, usize) {
    const WORK: usize = 1 << 20;
    let columns = WORK.div_ceil(m * k).next_multiple_of(64).min(n);
    let tasks = (8 / n.div_ceil(columns)).max(1);
    let pays = WORK.div_ceil(columns * k).next_multiple_of(8);
    (m.div_ceil(tasks).next_multiple_of(8).max(64).max(pays).min(m), columns)
}

/// What one task writes of y: \[m, n\], one of a batch.
struct Tile<'a> {
    batch: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    n: usize,
    /// The first element of y.
    y: *mut f32,
    whole: PhantomData<&'a mut [f32]>,
}

/// Calls `f` for all tiles of all y of a batch, in parallel.
fn each_tile(
    y: &mut [f32],
    (m, n): (usize, usize),
    (rows, columns): (usize, usize),
    f: impl for<'a> Fn(Tile<'a>) + Sync,
) {
    struct Whole(*mut f32);
    // SAFETY: the pointer is of a slice that this function borrows mutably; tiles of different numbers are disjoint, and
    // each number has one task.
    unsafe impl Sync for Whole {}
    let (down, across) = (m.div_ceil(rows), n.div_ceil(columns));
    let tiles = y.len() / (m * n) * down * across;
    let whole = Whole(y.as_mut_ptr());
    let whole = &whole;
    (0..tiles).into_par_iter().for_each(|t| {
        let (batch, i, j) = (t / (down * across), t / across % down * rows, t % across * columns);
        // SAFETY: batch < y.len() / (m·n), so that m·n elements follow.
        let y = unsafe { whole.0.add(batch * m * n) };
        let (rows, columns) = (i..m.min(i + rows), j..n.min(j + columns));
        f(Tile { batch, rows, columns, n, y, whole: PhantomData });
    });
}

impl Tile<'_> {
    /// Calls `f` with each row of the tile, and where it begins in y.
    fn each_row(&mut self, mut f: impl FnMut(usize, &mut [f32])) {
        for i in self.rows.clone() {
            let at = i * self.n + self.columns.start;
            // SAFETY: i < m and columns.end ≤ n, so that the row lies in y, of which no one else has this tile.
            f(at, unsafe { std::slice::from_raw_parts_mut(self.y.add(at), self.columns.len()) });
        }
    }
}

/// Computes y from the inputs of a matmul kernel: A, B, bias, c, h, of which those are not read that the form has not.
/// Panics if a slice is shorter than the shapes say.
pub fn run(form: &Form, p: &MatmulParams, [a, b, bias, c, h]: [&[f32]; 5], y: &mut [f32]) {
    let [m, n, k, batch] = [p.m, p.n, p.k, p.batch].map(|x| x as usize);
    let y = &mut y[..batch * m * n];
    let alone = !form.bias && !form.add && form.act == Act::None && form.slope == Act::None;
    each_tile(y, (m, n), task(m, n, k), |mut tile| {
        let z = tile.batch;
        product(form, (m, n, k), &mut tile, &a[z * m * k..][..m * k], &b[z * k * n..][..k * n]);
        if alone {
            return;
        }
        let columns = tile.columns.clone();
        tile.each_row(|at, y| {
            let here = z * m * n + at..z * m * n + at + y.len();
            if form.bias {
                add(y, &bias[columns.clone()]);
            }
            if form.add {
                add(y, &c[here.clone()]);
            }
            activate(form.act, y);
            if form.slope != Act::None {
                pull(form.slope, y, &h[here]);
            }
        });
    });
}

fn add(y: &mut [f32], c: &[f32]) {
    y.iter_mut().zip(c).for_each(|(y, &c)| *y += c);
}

/// y = act(y). One loop an activation, or nothing vectorises.
fn activate(act: Act, y: &mut [f32]) {
    match act {
        Act::None => {}
        Act::Relu => y.iter_mut().for_each(|y| *y = y.at_least(0.0)),
        Act::Sigmoid => y.iter_mut().for_each(|y| *y = y.sigmoid()),
        Act::Tanh => y.iter_mut().for_each(|y| *y = Real::tanh(*y)),
    }
}

/// y = y·slope′(h), likewise.
fn pull(slope: Act, y: &mut [f32], h: &[f32]) {
    let both = y.iter_mut().zip(h);
    match slope {
        Act::None => {}
        Act::Relu => both.for_each(|(y, &h)| *y = Act::Relu.pull(*y, h)),
        Act::Sigmoid => both.for_each(|(y, &h)| *y = Act::Sigmoid.pull(*y, h)),
        Act::Tanh => both.for_each(|(y, &h)| *y = Act::Tanh.pull(*y, h)),
    }
}

/// A tile of y = op(A) · op(B).
fn product(form: &Form, (m, n, k): (usize, usize, usize), tile: &mut Tile<'_>, a: &[f32], b: &[f32]) {
    let Tile { rows, columns, .. } = &*tile;
    assert!(rows.end <= m && columns.end <= n && tile.n == n, "{rows:?} and {columns:?} of {m}x{n}");
    assert!(a.len() == m * k && b.len() == k * n, "{} and {} elements for {m}x{n}x{k}", a.len(), b.len());
    // Strides from row to row and from column to column.
    let (a_row, a_col) = if form.ta { (1, m) } else { (k, 1) };
    let (b_row, b_col) = if form.tb { (1, k) } else { (n, 1) };
    let (a, b) = (&a[rows.start * a_row..], &b[columns.start * b_col..]);
    // SAFETY: gemm reads lhs[i·a_row + q·a_col] and rhs[q·b_row + j·b_col] and writes dst[i·n + j] for i < rows.len(),
    // j < columns.len(), q < k. By the assertions above the largest of these indices lie inside `a` (which starts at the
    // first row), `b` (which starts at the first column) and the tile, which is this task's alone and so overlaps
    // neither; with `read_dst` false y is not read.
    unsafe {
        gemm::gemm(
            rows.len(),
            columns.len(),
            k,
            tile.y.add(rows.start * n + columns.start),
            1,
            n as isize,
            false,
            a.as_ptr(),
            a_col as isize,
            a_row as isize,
            b.as_ptr(),
            b_col as isize,
            b_row as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::matmul_vec4::{case, twin};
    use crate::kernels::{In, Out, Values};

    /// Shapes of which tasks take both some rows and some columns, the last of them fewer; sums of integers are exact.
    #[test]
    fn tiles_cut_both_ways_make_what_the_twin_makes() {
        let (m, n, k, batch) = (200, 150, 300, 2);
        let (rows, columns) = task(m, n, k);
        assert!(rows < m && columns < n && !m.is_multiple_of(rows) && !n.is_multiple_of(columns), "{rows}x{columns}");
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let form = Form { bias: true, add: true, slope: Act::Relu, ..Form::product(ta, tb) };
            let case = case(form, (m, n, k, batch), Values::Integers);
            let ins: Vec<&[f32]> = case.ins.iter().map(|b| b.f32()).collect();
            let p = MatmulParams { m: m as u32, n: n as u32, k: k as u32, batch: batch as u32 };
            let [mut y, mut z] = [0, 1].map(|_| vec![f32::NAN; batch * m * n]);
            run(&form, &p, std::array::from_fn(|i| ins[i]), &mut y);
            let reals: Vec<In<f32>> = ins.iter().map(|&v| In::F(v)).collect();
            twin(&form.consts(), &p, &reals, &mut [Out::F(&mut z)], 0..batch * m);
            assert_eq!(y, z, "{form:?}");
        }
    }
}

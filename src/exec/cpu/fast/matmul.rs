//! y\[b\] = act(op(A\[b\]) · op(B\[b\]) + bias + c\[b\]) · slope′(h\[b\]) at f32 by the crate `gemm`, on all cores; see
//! [`matmul_vec4`](crate::kernels::matmul_vec4) for forms and shapes. Serves both matmul kernels.

use crate::kernels::matmul_vec4::{Act, Form, MatmulParams};
use crate::values::Real;
use rayon::prelude::*;

/// The rows of y that one task computes, in all columns: an eighth of them, but enough to pay for the packing of B,
/// which every task does for itself (measured; a transposed B packs slower), and for the task. A function of the form
/// and the shape alone, and so is gemm's blocking along k: the bits do not depend on the number of threads.
fn rows_of_a_task(tb: bool, m: usize, n: usize, k: usize) -> usize {
    let packing = if tb { 64 } else { 32 };
    let task = (1usize << 20).div_ceil(n * k).next_multiple_of(8);
    m.div_ceil(8).next_multiple_of(8).max(packing).max(task).min(m)
}

/// Computes y from the inputs of a matmul kernel: A, B, bias, c, h, of which those are not read that the form has not.
/// Panics if a slice is shorter than the shapes say.
pub fn run(form: &Form, p: &MatmulParams, [a, b, bias, c, h]: [&[f32]; 5], y: &mut [f32]) {
    let [m, n, k, batch] = [p.m, p.n, p.k, p.batch].map(|x| x as usize);
    let y = &mut y[..batch * m * n];
    let block = rows_of_a_task(form.tb, m, n, k);
    y.par_chunks_exact_mut(m * n).enumerate().for_each(|(z, y)| {
        let (a, b) = (&a[z * m * k..][..m * k], &b[z * k * n..][..k * n]);
        y.par_chunks_mut(block * n).enumerate().for_each(|(i, y)| {
            product(form, (m, n, k), i * block, a, b, y);
            if form.bias {
                for row in y.chunks_exact_mut(n) {
                    add(row, &bias[..n]);
                }
            }
            let at = z * m * n + i * block * n..z * m * n + i * block * n + y.len();
            if form.add {
                add(y, &c[at.clone()]);
            }
            activate(form.act, y);
            if form.slope != Act::None {
                pull(form.slope, y, &h[at]);
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

/// y = op(A) · op(B) for the rows of y from `first` on, as many as `y` holds.
#[expect(
    unsafe_code,
    reason = "gemm takes pointers and strides; the one place where elbo does, lengths asserted first"
)]
fn product(form: &Form, (m, n, k): (usize, usize, usize), first: usize, a: &[f32], b: &[f32], y: &mut [f32]) {
    let rows = y.len() / n;
    assert!(y.len() == rows * n && first + rows <= m, "{rows} rows from {first} of {m}x{n}");
    assert!(a.len() == m * k && b.len() == k * n, "{} and {} elements for {m}x{n}x{k}", a.len(), b.len());
    // Strides from row to row and from column to column.
    let (a_row, a_col) = if form.ta { (1, m) } else { (k, 1) };
    let (b_row, b_col) = if form.tb { (1, k) } else { (n, 1) };
    let a = &a[first * a_row..];
    // SAFETY: gemm reads lhs[i·a_row + q·a_col] and rhs[q·b_row + j·b_col] and writes dst[i·n + j] for i < rows, j < n,
    // q < k. By the assertions above the largest of these indices lie inside `a` (which starts at row `first`), `b`
    // and `y`; `y` is borrowed mutably and so overlaps neither; with `read_dst` false y is not read.
    unsafe {
        gemm::gemm(
            rows,
            n,
            k,
            y.as_mut_ptr(),
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

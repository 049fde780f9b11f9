//! Second f32 bodies, where a measurement asked for one. The rig treats each as one more executor; a test prints this
//! list.

pub mod matmul;

use crate::kernels::matmul_vec4::{Form, MatmulParams};
use crate::kernels::weight_grad::{WeightGradParams, column_sums};
use crate::kernels::{Call, In, Out};

/// A second body: the whole call, over as many cores as it likes, bits independent of how many.
pub type Body = fn(&Call, &[In<f32>], &mut [Out<f32>]);

/// The kernels that have one.
pub static FAST: &[(&str, Body)] = &[("matmul_vec4", matmul), ("matmul_scalar", matmul), ("weight_grad", weight_grad)];

fn matmul(call: &Call, ins: &[In<f32>], outs: &mut [Out<f32>]) {
    let p = bytemuck::pod_read_unaligned(bytemuck::cast_slice(&call.params));
    matmul::run(&Form::of(&call.consts), &p, std::array::from_fn(|i| ins[i].f()), outs[0].f());
}

fn weight_grad(call: &Call, ins: &[In<f32>], outs: &mut [Out<f32>]) {
    let p: WeightGradParams = bytemuck::pod_read_unaligned(bytemuck::cast_slice(&call.params));
    let (m, dy, x) = (p.m as usize, ins[0].f(), ins[1].f());
    let (y, db) = outs[0].f().split_at_mut(4 * p.s as usize);
    let (dw, gap) = y.split_at_mut(m * p.n as usize);
    gap.fill(0.0);
    let product = || matmul::run(&Form::product(true, false), &p.product(), [dy, x, dy, dy, dy], dw);
    rayon::join(product, || column_sums(&dy[..p.k as usize * m], &mut db[..m]));
}

/// op(A) · op(B): \[m, n\], row-major, at f32 over all cores, where op transposes A or B if it is asked to; the sums are of
/// k products.
pub fn product(
    a: &[f32],
    b: &[f32],
    (m, n, k): (usize, usize, usize),
    (transpose_a, transpose_b): (bool, bool),
) -> Vec<f32> {
    let p = MatmulParams { m: m as u32, n: n as u32, k: k as u32, batch: 1 };
    let mut y = vec![0.0; m * n];
    matmul::run(&Form::product(transpose_a, transpose_b), &p, [a, b, a, a, a], &mut y);
    y
}

//! Second f32 bodies, where a measurement asked for one. The rig treats each as one more executor; a test prints this
//! list.

pub mod matmul;

use crate::kernels::matmul_vec4::{Form, MatmulParams};
use crate::kernels::{Call, In, Out};

/// A second body: the whole call, over as many cores as it likes, bits independent of how many.
pub type Body = fn(&Call, &[In<f32>], &mut [Out<f32>]);

/// The kernels that have one.
pub static FAST: &[(&str, Body)] = &[("matmul_vec4", matmul), ("matmul_scalar", matmul)];

fn matmul(call: &Call, ins: &[In<f32>], outs: &mut [Out<f32>]) {
    let p = bytemuck::pod_read_unaligned(bytemuck::cast_slice(&call.params));
    matmul::run(&Form::of(&call.consts), &p, std::array::from_fn(|i| ins[i].f()), outs[0].f());
}

/// XᵀX of a row-major X: \[rows, columns\], at f32 over all cores.
pub fn gram(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let p = MatmulParams { m: columns as u32, n: columns as u32, k: rows as u32, batch: 1 };
    let mut y = vec![0.0; columns * columns];
    matmul::run(&Form::product(true, false), &p, [x; 5], &mut y);
    y
}

//! Second f32 bodies, where a measurement asked for one. The rig treats each as one more executor; a test prints this
//! list.

mod half;
pub mod matmul;

use crate::kernels::matmul_vec4::{FORM, Form, MatmulParams};
use crate::kernels::weight_grad::{WeightGradParams, column_sums};
use crate::kernels::{Call, In, Out};
use std::cell::RefCell;

/// A second body: the whole call, over as many cores as it likes, bits independent of how many.
pub type Body = fn(&Call, &[In<f32>], &mut [Out<f32>]);

/// The kernels that have one.
pub static FAST: &[(&str, Body)] = &[
    ("matmul_vec4", matmul),
    ("matmul_scalar", matmul),
    ("matmul_half", matmul_half),
    ("half", |_, ins, outs| half::narrow(ins[0].f(), outs[0].u())),
    ("weight_grad", weight_grad),
];

fn matmul(call: &Call, ins: &[In<f32>], outs: &mut [Out<f32>]) {
    let p = bytemuck::pod_read_unaligned(bytemuck::cast_slice(&call.params));
    matmul::run(&Form::of(&call.consts), &p, std::array::from_fn(|i| ins[i].f()), outs[0].f());
}

/// A product of f32, between operands and a result that may be binary16 in memory.
fn matmul_half(call: &Call, ins: &[In<f32>], outs: &mut [Out<f32>]) {
    thread_local! {
        /// Inputs and result at f32, kept for the next product.
        static SCRATCH: RefCell<([Vec<f32>; 5], Vec<f32>)> = RefCell::default();
    }
    let p: MatmulParams = bytemuck::pod_read_unaligned(bytemuck::cast_slice(&call.params));
    let form = Form::of(&call.consts[..FORM]);
    SCRATCH.with_borrow_mut(|(scratch, y)| {
        let all = ins.iter().zip(scratch).map(|(given, scratch)| match given {
            In::F(x) => *x,
            In::U(words) => {
                half::widen(words, scratch);
                scratch
            }
        });
        let mut all = all.into_iter();
        let all = std::array::from_fn(|_| all.next().unwrap_or_default());
        match &mut outs[0] {
            Out::F(y) => matmul::run(&form, &p, all, y),
            Out::U(words) => {
                y.resize(2 * words.len(), 0.0);
                matmul::run(&form, &p, all, y);
                half::narrow(y, words);
            }
        }
    });
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

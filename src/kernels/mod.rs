//! F1: kernels: what one dispatch computes. One .wgsl under shaders/ and one file here a kernel; no wgpu.

mod inputs;
mod kernel;
pub mod wgsl;

pub mod adam;
pub mod argmax;
pub mod assign;
pub mod at_time;
pub mod batch;
pub mod bce;
pub mod binary;
pub mod cholesky;
pub mod copy;
pub mod fill;
pub mod finite;
pub mod fma;
pub mod gate;
pub mod gather;
pub mod gaussian_kl;
pub mod half;
pub mod jacobian_penalty;
pub mod jumps;
pub mod log_row;
pub mod lstm;
pub mod lstm_grad;
pub mod map;
pub mod matmul_half;
pub mod matmul_scalar;
pub mod matmul_subgroup;
pub mod matmul_tiled;
pub mod matmul_vec4;
pub mod moving;
pub mod outlines;
pub mod patches;
pub mod random;
pub mod reduce;
pub mod reparam;
pub mod scalars;
pub mod segment_sum;
pub mod sgd;
pub mod sinusoids;
pub mod sprites;
pub mod top_k;
pub mod triangle;
pub mod triangular_solve;
pub mod unary;
pub mod weight_grad;
pub mod weight_grad_subgroup;
pub mod weight_grad_tiled;

pub use inputs::{Values, values, words};
pub use kernel::{
    Before, Call, Case, Consts, Field, Handle, In, Kernel, MAX_OUTS, Out, Params, StepRow, Twin, Work, params,
};
use std::marker::PhantomData;

/// Every kernel. Tests assert that this list, src/kernels/ and shaders/ name the same files.
pub static REGISTRY: &[&dyn Kernel] = &[
    &Handle::<adam::Adam>(PhantomData),
    &Handle::<argmax::ArgMax>(PhantomData),
    &Handle::<assign::Assign>(PhantomData),
    &Handle::<at_time::AtTime>(PhantomData),
    &Handle::<batch::Batch>(PhantomData),
    &Handle::<bce::Bce>(PhantomData),
    &Handle::<binary::Binary>(PhantomData),
    &Handle::<cholesky::Cholesky>(PhantomData),
    &Handle::<copy::Copy>(PhantomData),
    &Handle::<fill::Fill>(PhantomData),
    &Handle::<finite::Finite>(PhantomData),
    &Handle::<fma::Fma>(PhantomData),
    &Handle::<gate::Gate>(PhantomData),
    &Handle::<gather::Gather>(PhantomData),
    &Handle::<gaussian_kl::GaussianKl>(PhantomData),
    &Handle::<half::Half>(PhantomData),
    &Handle::<jacobian_penalty::JacobianPenalty>(PhantomData),
    &Handle::<jumps::Jumps>(PhantomData),
    &Handle::<log_row::LogRow>(PhantomData),
    &Handle::<lstm::Lstm>(PhantomData),
    &Handle::<lstm_grad::LstmGrad>(PhantomData),
    &Handle::<map::Map>(PhantomData),
    &Handle::<matmul_half::MatmulHalf>(PhantomData),
    &Handle::<matmul_scalar::MatmulScalar>(PhantomData),
    &Handle::<matmul_subgroup::MatmulSubgroup>(PhantomData),
    &Handle::<matmul_tiled::MatmulTiled>(PhantomData),
    &Handle::<matmul_vec4::MatmulVec4>(PhantomData),
    &Handle::<moving::Moving>(PhantomData),
    &Handle::<patches::Patches>(PhantomData),
    &Handle::<random::Random>(PhantomData),
    &Handle::<reduce::Reduce>(PhantomData),
    &Handle::<reparam::Reparam>(PhantomData),
    &Handle::<scalars::Scalars>(PhantomData),
    &Handle::<segment_sum::SegmentSum>(PhantomData),
    &Handle::<sgd::Sgd>(PhantomData),
    &Handle::<sinusoids::Sinusoids>(PhantomData),
    &Handle::<sprites::Sprites>(PhantomData),
    &Handle::<top_k::TopK>(PhantomData),
    &Handle::<triangle::Triangle>(PhantomData),
    &Handle::<triangular_solve::TriangularSolve>(PhantomData),
    &Handle::<unary::Unary>(PhantomData),
    &Handle::<weight_grad::WeightGrad>(PhantomData),
    &Handle::<weight_grad_subgroup::WeightGradSubgroup>(PhantomData),
    &Handle::<weight_grad_tiled::WeightGradTiled>(PhantomData),
];

/// The kernel of that name. Panics if there is none: names come from code, not from users.
#[track_caller]
pub fn kernel(name: &str) -> &'static dyn Kernel {
    *REGISTRY.iter().find(|k| k.name() == name).unwrap_or_else(|| panic!("no kernel named {name}"))
}

//! F1: kernels: what one dispatch computes. One .wgsl under shaders/ and one file here a kernel; no wgpu.

mod inputs;
mod kernel;
pub mod wgsl;

pub mod unary;

pub use inputs::{Values, values, words};
pub use kernel::{
    Before, Call, Case, Consts, Field, Handle, In, Kernel, MAX_OUTS, Out, Params, StepRow, Twin, Work, params,
};
use std::marker::PhantomData;

/// Every kernel. Tests assert that this list, src/kernels/ and shaders/ name the same files.
pub static REGISTRY: &[&dyn Kernel] = &[&Handle::<unary::Unary>(PhantomData)];

/// The kernel of that name. Panics if there is none: names come from code, not from users.
#[track_caller]
pub fn kernel(name: &str) -> &'static dyn Kernel {
    *REGISTRY.iter().find(|k| k.name() == name).unwrap_or_else(|| panic!("no kernel named {name}"))
}

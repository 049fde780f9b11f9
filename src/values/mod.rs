//! F0: the values that everything above agrees on: shapes, element types, errors, random integers, real arithmetic.

mod bound;
mod dtype;
mod error;
mod real;
mod real_f32;
mod rng;
mod shape;

pub use bound::Bound;
pub use dtype::{DType, HostBuf};
pub use error::{Error, Result, note};
pub use real::Real;
pub use rng::{Philox, below, lit, permutation, stream, unit};
pub use shape::{MAX_RANK, Shape};

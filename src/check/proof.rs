//! What a case must yield: its twin at f64 in one piece, and how far an honest f32 device may be off.

use super::twin::{Buf, run_twin};
use crate::kernels::{Case, Kernel};
use crate::values::Bound;

/// What one output must be.
#[derive(Clone, Debug)]
pub enum Want {
    /// Reals, and how far each may be off: the error that [`Bound`] states, 0 in exact cases.
    Reals {
        /// The oracle.
        values: Vec<f64>,
        /// Allowed absolute differences.
        allowed: Vec<f64>,
    },
    /// Integers: always exact.
    Words(Vec<u32>),
}

/// A case with its oracle.
#[derive(Clone)]
pub struct Proof {
    /// The kernel.
    pub kernel: &'static dyn Kernel,
    /// The case.
    pub case: Case,
    /// What each output must be.
    pub wants: Vec<Want>,
}

impl Proof {
    /// Runs the oracle and the error analysis.
    pub fn new(kernel: &'static dyn Kernel, case: Case) -> Self {
        let (call, step) = (&case.call, &case.step);
        let values = run_twin::<f64>(kernel, &case, usize::MAX, |i, o, r| kernel.run_f64(call, step, i, o, r));
        let bounds = run_twin::<Bound>(kernel, &case, usize::MAX, |i, o, r| kernel.run_bound(call, step, i, o, r));
        let want = |(value, bound): (Buf<f64>, Buf<Bound>)| match (value, bound) {
            (Buf::F(values), Buf::F(bounds)) => {
                let allowed = bounds.iter().map(|b| if case.exact { 0.0 } else { b.error }).collect();
                Want::Reals { values, allowed }
            }
            (Buf::F(values), Buf::U(_)) => Want::Reals { allowed: vec![0.0; values.len()], values },
            (Buf::U(words), _) => Want::Words(words),
        };
        let wants = values.into_iter().zip(bounds).map(want).collect();
        Self { kernel, case, wants }
    }

    /// The proofs of every case of a kernel.
    pub fn all(kernel: &'static dyn Kernel) -> Vec<Self> {
        super::cases(kernel).into_iter().map(|case| Self::new(kernel, case)).collect()
    }
}

//! What a case must yield: its twin at f64 in one piece, and how far an honest f32 device may be off.

use super::twin::{Buf, run_items, run_twin};
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

    /// The same for at most some `operations` of the oracle: where the case has more, it sees items that are spread over
    /// all, the first and the last among them, and allows of the rest anything finite.
    pub fn spread(kernel: &'static dyn Kernel, case: Case, operations: u64) -> Self {
        let work = kernel.work(&case.call);
        if work.flops <= operations || work.items < 3 {
            return Self::new(kernel, case);
        }
        let seen = ((work.items as u64 * operations).div_ceil(work.flops) as usize).clamp(2, work.items);
        let pieces = || (0..seen).map(|i| i * (work.items - 1) / (seen - 1)).map(|item| item..item + 1);
        let (call, step) = (&case.call, &case.step);
        let values = run_items::<f64>(kernel, &case, pieces(), |i, o, r| kernel.run_f64(call, step, i, o, r));
        let bounds = run_items::<Bound>(kernel, &case, pieces(), |i, o, r| kernel.run_bound(call, step, i, o, r));
        let mut wants = Vec::new();
        for ((value, bound), stride) in values.into_iter().zip(bounds).zip(work.strides) {
            let (Buf::F(mut values), Buf::F(bounds)) = (value, bound) else {
                // Of integers no part stands for the rest.
                return Self::new(kernel, case);
            };
            let mut allowed = vec![f64::INFINITY; values.len()];
            for at in pieces().flat_map(|items| items.start * stride..items.end * stride) {
                allowed[at] = if case.exact { 0.0 } else { bounds[at].error };
            }
            // What was not computed is still what stood there before: NaN, which nothing finite would match.
            values.iter_mut().zip(&allowed).filter(|(_, a)| a.is_infinite()).for_each(|(v, _)| *v = 0.0);
            wants.push(Want::Reals { values, allowed });
        }
        Self { kernel, case, wants }
    }

    /// The proofs of every case of a kernel.
    pub fn all(kernel: &'static dyn Kernel) -> Vec<Self> {
        super::cases(kernel).into_iter().map(|case| Self::new(kernel, case)).collect()
    }
}

//! What a case must yield: its twin at f64 in one piece, and how far an honest f32 device may be off.

use crate::kernels::{Before, Case, In, Kernel, Out};
use crate::values::{Bound, DType, HostBuf, Real};
use std::ops::Range;

/// What an integer output holds before; a real one holds NaN.
pub(super) const POISON: u32 = 0xDEAD_BEEF;

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
        let values = whole::<f64>(kernel, &case, |i, o, r| kernel.run_f64(call, step, i, o, r));
        let bounds = whole::<Bound>(kernel, &case, |i, o, r| kernel.run_bound(call, step, i, o, r));
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

/// A buffer of a twin.
enum Buf<R> {
    F(Vec<R>),
    U(Vec<u32>),
}

impl<R: Real> Buf<R> {
    fn of(host: &HostBuf) -> Self {
        match host {
            HostBuf::F32(v) => Self::F(v.iter().map(|&x| R::of(x.into())).collect()),
            HostBuf::U32(v) => Self::U(v.clone()),
        }
    }

    fn before(before: &Before) -> Self {
        match before {
            Before::Value(v) => Self::of(v),
            Before::Poison(DType::F32, n) => Self::F(vec![R::of(f64::NAN); *n]),
            Before::Poison(DType::U32, n) => Self::U(vec![POISON; *n]),
        }
    }

    fn input(&self) -> In<'_, R> {
        match self {
            Self::F(v) => In::F(v),
            Self::U(v) => In::U(v),
        }
    }

    fn output(&mut self, len: usize) -> Out<'_, R> {
        match self {
            Self::F(v) => Out::F(&mut v[..len]),
            Self::U(v) => Out::U(&mut v[..len]),
        }
    }
}

/// The outputs of a case from a twin, in one piece.
fn whole<R: Real>(
    kernel: &dyn Kernel,
    case: &Case,
    twin: impl Fn(&[In<R>], &mut [Out<R>], Range<usize>),
) -> Vec<Buf<R>> {
    let work = kernel.work(&case.call);
    let ins: Vec<Buf<R>> = case.ins.iter().map(Buf::of).collect();
    let ins: Vec<In<R>> = ins.iter().map(Buf::input).collect();
    let mut outs: Vec<Buf<R>> = case.outs.iter().map(Buf::before).collect();
    let mut parts: Vec<Out<R>> = outs.iter_mut().zip(work.strides).map(|(o, s)| o.output(work.items * s)).collect();
    twin(&ins, &mut parts, 0..work.items);
    outs
}

//! A twin run on a case, in any arithmetic, whole or in pieces.

use crate::kernels::{Before, Case, In, Kernel, Out};
use crate::values::{DType, HostBuf, Real};
use std::ops::Range;

/// What an integer output holds before; a real one holds NaN.
pub const POISON: u32 = 0xDEAD_BEEF;

/// A buffer of a twin.
#[derive(Clone)]
pub enum Buf<R> {
    /// Reals.
    F(Vec<R>),
    /// Integers.
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

    fn output(&mut self, part: Range<usize>) -> Out<'_, R> {
        match self {
            Self::F(v) => Out::F(&mut v[part]),
            Self::U(v) => Out::U(&mut v[part]),
        }
    }
}

/// The outputs of a case from its twin at R, called for at most `chunk` items at a time.
pub fn run_twin<R: Real>(
    kernel: &dyn Kernel,
    case: &Case,
    chunk: usize,
    twin: impl Fn(&[In<R>], &mut [Out<R>], Range<usize>),
) -> Vec<Buf<R>> {
    let items = kernel.work(&case.call).items;
    let pieces = (0..items).step_by(chunk).map(|first| first..items.min(first.saturating_add(chunk)));
    run_items(kernel, case, pieces, twin)
}

/// The outputs of a case from its twin at R, called for some ranges of items alone: elsewhere they hold what was before.
pub(super) fn run_items<R: Real>(
    kernel: &dyn Kernel,
    case: &Case,
    pieces: impl Iterator<Item = Range<usize>>,
    twin: impl Fn(&[In<R>], &mut [Out<R>], Range<usize>),
) -> Vec<Buf<R>> {
    let work = kernel.work(&case.call);
    let ins: Vec<Buf<R>> = case.ins.iter().map(Buf::of).collect();
    let ins: Vec<In<R>> = ins.iter().map(Buf::input).collect();
    let mut outs: Vec<Buf<R>> = case.outs.iter().map(Buf::before).collect();
    for items in pieces {
        let parts = outs.iter_mut().zip(work.strides);
        let mut parts: Vec<Out<R>> = parts.map(|(o, s)| o.output(items.start * s..items.end * s)).collect();
        twin(&ins, &mut parts, items);
    }
    outs
}

//! One dispatch on a device: verified as the rig verifies, then timed.

use super::Spread;
use crate::check::{Proof, check, stage};
use crate::exec::Executor;
use crate::kernels::{Before, Case, Kernel};
use crate::values::{Error, Result};

/// Operations of the oracle for one case: of larger ones it computes some items alone.
const ORACLE: u64 = 1 << 24;
/// Seconds for the samples of one case.
const PATIENCE: f64 = 0.3;
/// Seconds that the repeats of one sample should take together.
const SAMPLE: f64 = 0.02;

/// Holds the case to its twin at f64, by [`check`]; a failure where it is wrong. Of a case that the oracle would need
/// long for it sees some items, spread over all, and of the rest that they are finite.
pub fn verify(e: &mut dyn Executor, kernel: &'static dyn Kernel, case: &Case) -> Result<()> {
    let outcome = check(e, &Proof::spread(kernel, case.clone(), ORACLE));
    match outcome.fault {
        None => Ok(()),
        Some(fault) => Err(Error::failure(format!(
            "the kernel {} computes wrong values on {} and is not timed: {}: {fault}",
            kernel.name(),
            e.info().adapter,
            case.name
        ))),
    }
}

/// Seconds of one dispatch of the case, by [`Executor::profile`], warm.
pub fn time(e: &mut dyn Executor, kernel: &'static dyn Kernel, case: &Case) -> Result<Spread> {
    let mut plan = stage(e, kernel, case)?;
    let one = e.load(&plan)?;
    let mut alone = f64::INFINITY;
    for _ in 0..2 {
        let spans = e.profile(one, &case.step)?;
        alone = alone.min(spans[0].seconds);
    }
    let repeats = ((SAMPLE / alone.max(1e-9)) as usize).clamp(1, 32);
    plan.dispatches = vec![plan.dispatches[0].clone(); repeats];
    let many = e.load(&plan)?;
    let (mut seconds, mut total) = (Vec::new(), 0.0);
    while seconds.len() < 3 || total < PATIENCE && seconds.len() < 512 {
        let spans = e.profile(many, &case.step)?;
        seconds.extend(spans.iter().map(|s| s.seconds));
        // A clock that stands still must not keep us.
        total += spans.iter().map(|s| s.seconds).sum::<f64>().max(1e-3);
    }
    Ok(Spread::of(seconds))
}

/// Bytes that a call reads and writes at least: what is updated in place counts twice.
pub fn bytes(kernel: &dyn Kernel, case: &Case) -> u64 {
    let read: usize = match kernel.name() {
        // Which rows the order says; as many as the batch has.
        "batch" => case.ins.iter().zip([case.outs[0].len().div_ceil(4), usize::MAX]).map(|(b, n)| b.len().min(n)).sum(),
        _ => kernel.reads(&case.call).iter().sum(),
    };
    let written = |b: &Before| b.len() * if matches!(b, Before::Value(_)) { 2 } else { 1 };
    4 * (read + case.outs.iter().map(written).sum::<usize>()) as u64
}

//! The rig as a command runs it: kernel after kernel on one device, through its loss and up to its hanging.

use super::{Fault, Outcome, Proof, cases, check};
use crate::exec::{Cpu, Executor, FAST};
use crate::kernels::Kernel;
use crate::values::Result;

/// What became of a kernel's cases.
pub struct Verdict {
    /// The kernel.
    pub kernel: &'static dyn Kernel,
    /// Cases that were tried.
    pub cases: usize,
    /// The largest error over its tolerance.
    pub worst: f64,
    /// Whether the device lacks what the kernel needs, so that nothing runs it there.
    pub lacking: bool,
    /// What failed: a kernel with a second body on the cpu may fail a case twice.
    pub failed: Vec<Outcome>,
}

impl Verdict {
    fn new(kernel: &'static dyn Kernel) -> Self {
        Self { kernel, cases: 0, worst: 0.0, lacking: false, failed: Vec::new() }
    }

    /// Whether a case computed what it should not have.
    pub fn wrong(&self) -> bool {
        let computed = |o: &Outcome| !matches!(o.fault, Some(Fault::Device(_) | Fault::Lost(_) | Fault::Hung(_)));
        self.failed.iter().any(computed)
    }

    /// Whether all cases ran, and rightly, or none need to.
    pub fn ok(&self) -> bool {
        self.lacking || self.cases > 0 && self.failed.is_empty()
    }

    fn take(&mut self, outcome: Outcome) {
        self.worst = self.worst.max(outcome.worst);
        if outcome.fault.is_some() {
            self.failed.push(outcome);
        }
    }

    fn gone(&self) -> Option<&Fault> {
        self.failed.iter().find_map(|o| o.fault.as_ref().filter(|f| matches!(f, Fault::Lost(_) | Fault::Hung(_))))
    }
}

/// Proves the kernels in order on a device, and hands each verdict to `each`. A device that a kernel loses is opened again
/// by `open` for the next one; after one that hangs, or that does not open again, no further kernel is tried: its
/// verdict has no cases.
pub fn prove(
    kernels: &[&'static dyn Kernel],
    executor: Box<dyn Executor>,
    open: &mut dyn FnMut() -> Result<Box<dyn Executor>>,
    each: &mut dyn FnMut(&Verdict) -> Result<()>,
) -> Result<Vec<Verdict>> {
    let mut executor = Some(executor);
    let mut verdicts = Vec::new();
    for &kernel in kernels {
        let verdict = executor.as_deref_mut().map_or_else(|| Verdict::new(kernel), |e| of(kernel, e));
        match verdict.gone() {
            Some(Fault::Lost(_)) => executor = open().ok(),
            Some(_) => executor = None,
            None => {}
        }
        each(&verdict)?;
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

fn of(kernel: &'static dyn Kernel, executor: &mut dyn Executor) -> Verdict {
    let mut verdict = Verdict::new(kernel);
    if kernel.needs_subgroups() && !executor.has_subgroups() {
        verdict.lacking = true;
        return verdict;
    }
    // Where a kernel has a second body on the cpu, its twin is proven too.
    let second = executor.info().device == "cpu" && FAST.iter().any(|(name, _)| *name == kernel.name());
    let mut twins = second.then(Cpu::twins);
    for case in cases(kernel) {
        let proof = Proof::new(kernel, case);
        verdict.cases += 1;
        verdict.take(check(executor, &proof));
        if let Some(twins) = &mut twins {
            let mut outcome = check(twins, &proof);
            outcome.case += ", by its twin";
            verdict.take(outcome);
        }
        // The mutation pass asks only whether anything is wrong.
        if verdict.gone().is_some() || cfg!(feature = "mutants") && !verdict.failed.is_empty() {
            break;
        }
    }
    verdict
}

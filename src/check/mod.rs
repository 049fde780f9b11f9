//! F7: the rig: holds every kernel of an executor to its oracle. Tests and `elbo check` run the same code; tests/README.md
//! says what it proves and how it is itself proven.

mod judge;
mod observe;
mod proof;
mod prove;
mod selftest;
mod twin;

pub use judge::{Fault, Outcome, judge};
pub use observe::{GUARD, Observed, observe};
pub use proof::{Proof, Want};
pub use prove::{Verdict, prove};
pub use selftest::{Finding, self_test};
pub use twin::{Buf, POISON, run_twin};

use crate::exec::Executor;
use crate::kernels::{Case, Kernel};

/// Other workgroups that a kernel is run at, as (x, y): 32 and 256 invocations.
const WORKGROUPS: [(u32, u32); 2] = [(8, 4), (16, 16)];
/// The most items of the case that is run at other workgroups.
const MODERATE: usize = 4096;

/// The cases of a kernel, and the largest moderate one again at other workgroup sizes.
pub fn cases(kernel: &dyn Kernel) -> Vec<Case> {
    let mut cases = kernel.cases();
    let items = |c: &&Case| kernel.work(&c.call).items;
    let Some(base) = cases.iter().filter(|c| items(c) <= MODERATE).max_by_key(items).cloned() else { return cases };
    let place = |name: &str| kernel.overrides().iter().position(|o| *o == name);
    for (x, y) in WORKGROUPS {
        let mut case = base.clone();
        match (place("WG"), place("WGX"), place("WGY")) {
            (Some(wg), ..) => case.call.consts[wg] = x * y,
            (None, Some(wgx), Some(wgy)) => (case.call.consts[wgx], case.call.consts[wgy]) = (x, y),
            _ => continue,
        }
        case.name = format!("{}, at a workgroup of {}", case.name, x * y);
        cases.push(case);
    }
    cases
}

/// Runs one case on an executor, whose Store is cleared, and judges it.
pub fn check(e: &mut dyn Executor, proof: &Proof) -> Outcome {
    match observe(e, proof) {
        Ok(seen) => judge(proof, &seen),
        Err(e) => Outcome::failed(proof, e),
    }
}

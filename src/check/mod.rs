//! F7: the rig: holds every kernel of an executor to its oracle. Tests and `elbo check` run the same code; tests/README.md
//! says what it proves and how it is itself proven.

mod judge;
mod observe;
mod proof;
mod prove;
mod selftest;
mod twin;

pub use judge::{Fault, Outcome, judge};
pub use observe::{GUARD, Observed, observe, stage};
pub use proof::{Proof, Want};
pub use prove::{Verdict, prove};
pub use selftest::{Finding, self_test};
pub use twin::{Buf, POISON, run_twin};

use crate::exec::Executor;
use crate::kernels::{Case, Kernel};

/// Other workgroups that a marked case is run at, as (x, y): 32 and 256 invocations.
const WORKGROUPS: [(u32, u32); 2] = [(8, 4), (16, 16)];
/// The cases of a kernel, and those that it marks ([`Case::again`]) once more at each of the other workgroups.
pub fn cases(kernel: &dyn Kernel) -> Vec<Case> {
    let mut cases = kernel.cases();
    let place = |name: &str| kernel.overrides().iter().position(|o| *o == name);
    let marked: Vec<Case> = cases.iter().filter(|c| c.again).cloned().collect();
    for (base, (x, y)) in marked.iter().flat_map(|c| WORKGROUPS.map(|w| (c, w))) {
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

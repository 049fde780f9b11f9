//! `reference`: the twins at f64, each in one piece on one thread. It is what "correct" means; never optimised.

use super::DeviceInfo;
use super::host::{Host, Runner, whole};
use crate::kernels::{In, Out, StepRow};
use crate::plan::Dispatch;

/// Runs the twins at f64.
pub struct Oracle;

impl Runner<f64> for Oracle {
    fn run(&self, d: &Dispatch, step: &StepRow, ins: &[In<f64>], outs: &mut [Out<f64>]) {
        d.kernel.run_f64(&d.call, step, ins, outs, whole(d.kernel, d));
    }
}

/// The executor that defines correctness.
pub type Reference = Host<f64, Oracle>;

impl Reference {
    /// An empty Store.
    pub fn reference() -> Self {
        let adapter = "f64 loops, one thread".into();
        let info = DeviceInfo { device: "reference", adapter, driver: String::new(), binding_elements: usize::MAX };
        Self::new(info, Oracle)
    }
}

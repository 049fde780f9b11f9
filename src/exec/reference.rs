//! `reference`: the twins at f64, each in one piece on one thread. It is what "correct" means; never optimised.

use super::host::{Host, Runner, whole};
use super::{DeviceInfo, MAX_ELEMENTS};
use crate::kernels::{In, Out, StepRow};
use crate::plan::Dispatch;
use crate::values::{Error, Result};

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
        let info = DeviceInfo { device: "reference", adapter, driver: String::new(), binding_elements: MAX_ELEMENTS };
        Self::new(info, Oracle)
    }

    /// Writes reals without rounding them to f32, as [`write`](super::Executor::write) must: finite differences need
    /// steps that f32 does not resolve.
    pub fn write_f64(&mut self, path: &str, offset: usize, data: &[f64]) -> Result<()> {
        let held = self.reals(path)?.get_mut(offset..offset + data.len());
        let none = || Error::failure(format!("{} elements at {offset} do not fit `{path}`", data.len()));
        held.ok_or_else(none)?.copy_from_slice(data);
        Ok(())
    }

    /// Reads reals without rounding them to f32, as [`read`](super::Executor::read) must.
    pub fn read_f64(&mut self, path: &str) -> Result<Vec<f64>> {
        Ok(self.reals(path)?.to_vec())
    }
}

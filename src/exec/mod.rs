//! F4: executors: one [`Plan`], run on f64 loops (`reference`), on all cores at f32 (`cpu`), or through wgpu (`gpu`).

mod cpu;
mod device;
pub mod gpu;
mod host;
mod once;
mod reference;

pub use cpu::ceiling;
pub use cpu::fast::product;
pub use cpu::{Cpu, FAST};
pub use device::{Choice, adapter, open, open_as_written};
pub use host::Host;
pub use once::{run, run_seeded};
pub use reference::Reference;

use crate::kernels::StepRow;
use crate::plan::{Plan, StoreRef};
use crate::values::{DType, Error, HostBuf, Result};

/// The most elements of one tensor on the host: kernels count in u32.
const MAX_ELEMENTS: usize = 1 << 30;

/// A plan that an executor has loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanId(pub usize);

/// Work that was submitted; [`Executor::fetch`] waits for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket(pub u64);

/// What a device is, for people and for records.
#[derive(Clone, PartialEq, Debug)]
pub struct DeviceInfo {
    /// `cpu`, `gpu` or `reference`.
    pub device: &'static str,
    /// The adapter's name, or how the host computes.
    pub adapter: String,
    /// The driver and its version, empty on the host.
    pub driver: String,
    /// The most elements that one binding holds.
    pub binding_elements: usize,
}

/// Runs plans over one Store of persistent buffers, by path.
pub trait Executor {
    /// What this runs on.
    fn info(&self) -> &DeviceInfo;

    /// Whether kernels run here that need subgroups.
    fn has_subgroups(&self) -> bool {
        true
    }

    /// The type and length of a persistent buffer, if it exists.
    fn stored(&self, path: &str) -> Option<(DType, usize)>;

    /// Makes a persistent buffer of zeros. One that exists with the same type and length is kept as it is.
    fn create(&mut self, path: &str, dtype: DType, len: usize) -> Result<()>;

    /// Writes elements from `offset` on; takes effect before the next submit.
    fn write(&mut self, path: &str, offset: usize, data: &HostBuf) -> Result<()>;

    /// Reads a whole persistent buffer, after everything submitted.
    fn read(&mut self, path: &str) -> Result<HostBuf>;

    /// Makes everything that replaying the plan needs; its stores must exist, but for scratch, which is made here.
    fn load(&mut self, plan: &Plan) -> Result<PlanId>;

    /// Replays the plan once for each row, in one submit. At most [`LOG_ROWS`](crate::plan::LOG_ROWS) rows.
    fn submit(&mut self, plan: PlanId, rows: &[StepRow]) -> Result<Ticket>;

    /// Waits for a submit and returns the metrics that its steps logged: one row a step.
    fn fetch(&mut self, ticket: Ticket) -> Result<Vec<Vec<f32>>>;

    /// Forgets every plan and persistent buffer; ids and tickets handed out before mean nothing any more. What is
    /// compiled stays, so that a next plan of the same kernels loads at once.
    fn clear(&mut self);

    /// Runs the plan once for `row`, as a submit of one step does, and times every dispatch on its own, in the plan's
    /// order: on a GPU by timestamps around a pass of its own, where the adapter has them.
    fn profile(&mut self, plan: PlanId, row: &StepRow) -> Result<Vec<Span>>;
}

/// When a dispatch ran.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Span {
    /// Seconds since the first dispatch of its step began.
    pub start: f64,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Makes what of a plan's stores does not exist yet: zeros. What exists must be as the plan has it.
fn create_scratch(e: &mut (impl Executor + ?Sized), stores: &[StoreRef]) -> Result<()> {
    for s in stores {
        if let Some((dtype, len)) = e.stored(&s.path).filter(|known| *known != (s.dtype, s.len)) {
            let (path, got, want) = (&s.path, format!("{len} {dtype:?}"), format!("{} {:?}", s.len, s.dtype));
            return Err(Error::failure(format!("the store's `{path}` is of {got}, the plan's of {want}")));
        }
    }
    for s in stores.iter().filter(|s| s.scratch) {
        e.create(&s.path, s.dtype, s.len)?;
    }
    Ok(())
}

/// Rows of a metrics table that the steps of a submit wrote, split.
fn split_rows(table: &[f32], columns: usize, rows: &[StepRow]) -> Vec<Vec<f32>> {
    rows.iter().map(|r| table[r.row as usize * columns..][..columns].to_vec()).collect()
}

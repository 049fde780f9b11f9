//! F3: graph → [`Plan`]: plain data that says which kernels run on which ranges of which buffers, in which order. No
//! wgpu, nothing allocated at run time: a plan can be printed, counted and tested without a device.

mod fuse;
mod group;
mod lower;
mod memory;
mod pair;
mod print;
mod rewrite;
mod validate;

pub use fuse::fusion_rules;
pub use lower::{Options, compile};
pub use validate::validate;

use crate::kernels::{Call, Kernel};
use crate::values::DType;

/// A compiled step: dispatches over persistent buffers (by path) and slots (temporary, reused).
#[derive(Clone)]
pub struct Plan {
    /// What it is, for tables: `train`, `evaluate`, …
    pub name: String,
    /// The persistent buffers that it touches.
    pub stores: Vec<StoreRef>,
    /// Temporary buffers; each holds several values, one after the other.
    pub slots: Vec<Slot>,
    /// What runs, in order.
    pub dispatches: Vec<Dispatch>,
    /// The names of the scheduled scalars, by index in the step row.
    pub scalars: Vec<String>,
    /// The metrics that each step leaves.
    pub log: Option<Log>,
    /// The most bytes of temporaries that are alive at once: no reuse scheme needs less.
    pub live_bytes: u64,
}

/// A persistent buffer, as a plan names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreRef {
    /// Its path in the executor's Store.
    pub path: String,
    /// The type of its words.
    pub dtype: DType,
    /// Its length in elements.
    pub len: usize,
    /// Made with zeros by the first plan that names it; else it must exist.
    pub scratch: bool,
}

/// A temporary buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    /// The type of its words.
    pub dtype: DType,
    /// Its length in elements: that of the largest value that it holds.
    pub len: usize,
}

/// Which buffer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Buffer {
    /// By index into [`Plan::stores`].
    Store(usize),
    /// By index into [`Plan::slots`].
    Slot(usize),
}

/// A range of a buffer, as a dispatch binds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// The buffer.
    pub buffer: Buffer,
    /// The first element; a multiple of 64 (256 bytes).
    pub offset: usize,
    /// How many elements.
    pub len: usize,
    /// The type of its words.
    pub dtype: DType,
    /// The value that stands there, for the validator: slots are reused.
    pub value: usize,
}

/// One run of one kernel.
#[derive(Clone)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: &'static dyn Kernel,
    /// Its overrides and parameters.
    pub call: Call,
    /// Its inputs, in binding order.
    pub ins: Vec<View>,
    /// Its outputs, in binding order.
    pub outs: Vec<View>,
    /// The scope of the node that it computes.
    pub scope: String,
}

/// The metrics table of a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Log {
    /// Its path in the Store.
    pub path: String,
    /// The names of its columns.
    pub names: Vec<String>,
    /// How many rows it has; a submit may hold as many steps.
    pub rows: usize,
}

/// Rows of a metrics table: the most steps of one submit.
pub const LOG_ROWS: usize = 32;

/// The most loop iterations that one invocation may have: half of what llvmpipe ends in silence.
pub const MAX_LOOP: u64 = 32_768;

impl Plan {
    /// Bytes of the persistent buffers that the plan names.
    pub fn store_bytes(&self) -> u64 {
        self.stores.iter().map(|s| 4 * s.len as u64).sum()
    }

    /// Bytes of the temporary buffers.
    pub fn slot_bytes(&self) -> u64 {
        self.slots.iter().map(|s| 4 * s.len as u64).sum()
    }

    /// Everything that the plan needs on the device at once.
    pub fn peak_bytes(&self) -> u64 {
        self.store_bytes() + self.slot_bytes()
    }

    /// Floating-point operations of one step.
    pub fn flops(&self) -> u64 {
        self.dispatches.iter().map(|d| d.kernel.work(&d.call).flops).sum()
    }

    /// Bytes that the dispatches of one step read and write, each binding counted whole.
    pub fn bytes_moved(&self) -> u64 {
        self.dispatches.iter().map(Dispatch::bytes).sum()
    }

    /// The least that any schedule moves: every persistent byte that the step reads, and every one that it writes,
    /// once; temporaries free. (Of the data set only the batch is read.)
    pub fn bytes_least(&self) -> u64 {
        let mut read = std::collections::HashSet::new();
        let mut written = std::collections::HashSet::new();
        let mut bytes = 0;
        for d in &self.dispatches {
            let limit = if d.kernel.name() == "batch" { d.outs[0].len.div_ceil(4) } else { usize::MAX };
            for (views, seen) in [(&d.ins, &mut read), (&d.outs, &mut written)] {
                for v in views.iter().filter(|v| matches!(v.buffer, Buffer::Store(_))) {
                    let scratch = matches!(v.buffer, Buffer::Store(s) if self.stores[s].scratch);
                    if !scratch && seen.insert((v.buffer, v.offset)) {
                        bytes += 4 * v.len.min(limit) as u64;
                    }
                }
            }
            // What is updated in place is read as well as written.
            for v in d.outs.iter().filter(|v| matches!(v.buffer, Buffer::Store(s) if !self.stores[s].scratch)) {
                if read.insert((v.buffer, v.offset)) {
                    bytes += 4 * v.len as u64;
                }
            }
        }
        bytes
    }

    /// The index of a store.
    pub fn store(&self, path: &str) -> Option<usize> {
        self.stores.iter().position(|s| s.path == path)
    }
}

impl Dispatch {
    /// Those of its inputs that it reads: some bindings only stand in for what a call does not have.
    pub fn inputs(&self) -> impl Iterator<Item = &View> {
        self.ins.iter().zip(self.kernel.reads(&self.call)).filter(|(_, n)| *n > 0).map(|(v, _)| v)
    }

    /// Those of its outputs that it writes.
    pub fn outputs(&self) -> impl Iterator<Item = &View> {
        self.outs.iter().zip(self.kernel.work(&self.call).strides).filter(|(_, stride)| *stride > 0).map(|(v, _)| v)
    }

    /// Bytes of all its bindings.
    pub fn bytes(&self) -> u64 {
        let size = |v: &View| {
            // The data set is bound whole, but a batch of it is read.
            4 * if self.kernel.name() == "batch" { v.len.min(self.outs[0].len) } else { v.len } as u64
        };
        self.inputs().chain(self.outputs()).map(size).sum()
    }
}

//! F3: graph → [`Plan`]: plain data that says which kernels run on which ranges of which buffers, in which order. No
//! wgpu, nothing allocated at run time: a plan can be printed, counted and tested without a device.

mod fuse;
mod group;
mod halve;
mod lower;
mod memory;
mod pair;
mod print;
mod rewrite;
mod split;
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

    /// Bytes that the dispatches of one step read and write: each range bound counted whole, twice where it is written over
    /// what was read. Of the data set only the batch is read.
    pub fn bytes_moved(&self) -> u64 {
        self.dispatches.iter().map(Dispatch::bytes).sum()
    }

    /// What a step must move: the batch's own bytes; each weight once for the layer and once for its input's gradient;
    /// each gradient written and read; weights and moments read and written; each activation that the backward pass needs
    /// written and read. What else there is between two products could be left out.
    pub fn bytes_least(&self) -> u64 {
        let (mut seen, mut least) = (std::collections::HashSet::new(), 0);
        let mut once = |key: (Buffer, usize, bool), len: usize| if seen.insert(key) { 4 * len as u64 } else { 0 };
        let named =
            |v: &View, kind: &str| matches!(v.buffer, Buffer::Store(s) if self.stores[s].path.starts_with(kind));
        let backward = self.dispatches.iter().position(|d| d.scope == "backward").unwrap_or(self.dispatches.len());
        let mut made = std::collections::HashMap::new();
        // Copies of weights, which could be written where these are updated: to make them nothing more is read.
        let mut copies = std::collections::HashSet::new();
        for (at, d) in self.dispatches.iter().enumerate() {
            if let Some(numbers) = d.gathered() {
                least += numbers as u64;
            }
            if d.kernel.name() == "half" {
                copies.insert(d.outs[0].value);
                least += 4 * d.outs[0].len as u64;
                continue;
            }
            for v in d.inputs() {
                if named(v, "params/") || matches!(v.buffer, Buffer::Slot(_)) && copies.contains(&v.value) {
                    least += once((v.buffer, v.offset, at < backward), v.len);
                }
                if matches!(v.buffer, Buffer::Slot(_)) && at >= backward {
                    least += made.remove(&v.value).map_or(0, |len| 2 * 4 * len as u64);
                }
            }
            for (i, v) in d.outs.iter().enumerate() {
                if named(v, "grads/") || d.updates().contains(&i) {
                    least += 2 * 4 * v.len as u64;
                } else if matches!(v.buffer, Buffer::Slot(_)) && at < backward {
                    made.insert(v.value, v.len);
                }
            }
        }
        least
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

    /// Those of its outputs whose earlier value it reads.
    pub fn updates(&self) -> &'static [usize] {
        self.kernel.updates()
    }

    /// Of a dispatch that takes a batch out of the data set, how many numbers it takes.
    fn gathered(&self) -> Option<usize> {
        match self.kernel.name() {
            "batch" => Some(self.outs[0].len),
            // One picture becomes all frames.
            "moving" => Some(self.outs[0].len / self.call.params[1] as usize),
            _ => None,
        }
    }

    /// Bytes of all its bindings, those that it updates in place counted twice.
    pub fn bytes(&self) -> u64 {
        // The data set is bound whole, but a batch of it is read.
        let size = |v: &View| 4 * self.gathered().map_or(v.len, |n| v.len.min(n)) as u64;
        let again: u64 = self.updates().iter().map(|&i| size(&self.outs[i])).sum();
        self.inputs().chain(self.outputs()).map(size).sum::<u64>() + again
    }
}

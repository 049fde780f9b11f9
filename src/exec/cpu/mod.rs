//! `cpu`: the twins at f32, cut into chunks of fixed size over rayon, and a second body where a measurement asked for
//! it. Bits do not depend on the number of threads: chunks are a function of the call alone.

pub mod ceiling;
pub mod fast;

use super::host::{Host, Runner};
use super::{DeviceInfo, MAX_ELEMENTS};
use crate::kernels::{In, Out, StepRow};
use crate::plan::Dispatch;
use std::ops::Range;

pub use fast::FAST;

/// Runs the twins at f32 over all cores.
pub struct Threads {
    second_bodies: bool,
}

impl Runner<f32> for Threads {
    fn run(&self, d: &Dispatch, step: &StepRow, ins: &[In<f32>], outs: &mut [Out<f32>]) {
        if self.second_bodies
            && let Some((_, body)) = FAST.iter().find(|(name, _)| *name == d.kernel.name())
        {
            return body(&d.call, ins, outs);
        }
        let work = d.kernel.work(&d.call);
        let task = Task { d, step, ins, chunk: work.chunk.max(1), strides: work.strides };
        match outs {
            [a] => task.split(0..work.items, [reborrow(a)]),
            [a, b] => task.split(0..work.items, [reborrow(a), reborrow(b)]),
            [a, b, c] => task.split(0..work.items, [reborrow(a), reborrow(b), reborrow(c)]),
            _ => unreachable!("{} has {} outputs", d.kernel.name(), outs.len()),
        }
    }
}

fn reborrow<'a>(o: &'a mut Out<'_, f32>) -> Out<'a, f32> {
    match o {
        Out::F(v) => Out::F(v),
        Out::U(v) => Out::U(v),
    }
}

struct Task<'a> {
    d: &'a Dispatch,
    step: &'a StepRow,
    ins: &'a [In<'a, f32>],
    chunk: usize,
    strides: [usize; crate::kernels::MAX_OUTS],
}

impl Task<'_> {
    /// Halves the items at a multiple of the chunk until one chunk is left. `join` allocates nothing.
    fn split<const N: usize>(&self, items: Range<usize>, mut outs: [Out<'_, f32>; N]) {
        if items.len() <= self.chunk {
            return self.d.kernel.run_f32(&self.d.call, self.step, self.ins, &mut outs, items);
        }
        let left = (items.len() / 2).next_multiple_of(self.chunk);
        let middle = items.start + left;
        let mut stride = self.strides.iter();
        let mut right: [Out<'_, f32>; N] = std::array::from_fn(|_| Out::U(&mut []));
        let mut side = right.iter_mut();
        let first = outs.map(|o| {
            let at = left * stride.next().expect("one stride an output");
            let (a, b) = match o {
                Out::F(v) => {
                    let (a, b) = v.split_at_mut(at);
                    (Out::F(a), Out::F(b))
                }
                Out::U(v) => {
                    let (a, b) = v.split_at_mut(at);
                    (Out::U(a), Out::U(b))
                }
            };
            *side.next().expect("one side an output") = b;
            a
        });
        drop(side);
        rayon::join(|| self.split(items.start..middle, first), || self.split(middle..items.end, right));
    }
}

/// The executor for training where there is no GPU.
pub type Cpu = Host<f32, Threads>;

impl Cpu {
    /// An empty Store. Work is spread over rayon's global pool.
    pub fn cpu() -> Self {
        Self::threads(pool(), true)
    }

    /// The same without the second bodies of [`FAST`]: every kernel by its twin.
    pub fn twins() -> Self {
        Self::threads(format!("{}, twins only", pool()), false)
    }

    fn threads(adapter: String, second_bodies: bool) -> Self {
        let info = DeviceInfo { device: "cpu", adapter, driver: String::new(), binding_elements: MAX_ELEMENTS };
        Self::new(info, Threads { second_bodies })
    }
}

/// "2 threads".
fn pool() -> String {
    let n = rayon::current_num_threads();
    format!("{n} thread{}", if n == 1 { "" } else { "s" })
}

//! What the two executors on the host share: buffers in memory, a Store by path, and the replay of a plan.

use super::{DeviceInfo, PlanId, Span, Ticket, create_scratch, split_rows};
use crate::kernels::{In, Kernel, MAX_OUTS, Out, StepRow};
use crate::plan::{Buffer, Dispatch, Plan, View};
use crate::values::{DType, Error, HostBuf, Real, Result};
use std::collections::HashMap;
use std::time::Instant;

/// A buffer of reals in the executor's arithmetic, or of integers.
enum Words<R> {
    F(Vec<R>),
    U(Vec<u32>),
}

impl<R: Real> Words<R> {
    fn zeros(dtype: DType, len: usize) -> Self {
        match dtype {
            DType::F32 => Self::F(vec![R::zero(); len]),
            DType::U32 => Self::U(vec![0; len]),
        }
    }
    fn len(&self) -> usize {
        match self {
            Self::F(v) => v.len(),
            Self::U(v) => v.len(),
        }
    }
    fn dtype(&self) -> DType {
        match self {
            Self::F(_) => DType::F32,
            Self::U(_) => DType::U32,
        }
    }
    fn input(&self, v: &View) -> In<'_, R> {
        match self {
            Self::F(w) => In::F(&w[v.offset..v.offset + v.len]),
            Self::U(w) => In::U(&w[v.offset..v.offset + v.len]),
        }
    }
    fn output(&mut self, v: &View) -> Out<'_, R> {
        match self {
            Self::F(w) => Out::F(&mut w[v.offset..v.offset + v.len]),
            Self::U(w) => Out::U(&mut w[v.offset..v.offset + v.len]),
        }
    }
}

/// The most inputs that a kernel has.
const MAX_INS: usize = 6;

/// How an executor on the host runs one dispatch.
pub trait Runner<R: Real> {
    /// Runs it: inputs and outputs are the ranges that it binds.
    fn run(&self, d: &Dispatch, step: &StepRow, ins: &[In<R>], outs: &mut [Out<R>]);
}

struct Loaded {
    plan: Plan,
    /// For each dispatch, the index of each view's buffer: inputs, then outputs.
    indices: Vec<(Vec<usize>, Vec<usize>)>,
    log: Option<(usize, usize)>,
}

/// A Store and its plans in host memory.
pub struct Host<R, X> {
    info: DeviceInfo,
    runner: X,
    buffers: Vec<Words<R>>,
    names: HashMap<String, usize>,
    plans: Vec<Loaded>,
    results: HashMap<u64, Vec<Vec<f32>>>,
    tickets: u64,
}

impl<R: Real, X: Runner<R>> Host<R, X> {
    pub(super) fn new(info: DeviceInfo, runner: X) -> Self {
        let (buffers, names, plans) = (Vec::new(), HashMap::new(), Vec::new());
        Self { info, runner, buffers, names, plans, results: HashMap::new(), tickets: 0 }
    }

    /// The reals of a persistent buffer, as they are held.
    pub(super) fn reals(&mut self, path: &str) -> Result<&mut [R]> {
        let i = self.index(path)?;
        match &mut self.buffers[i] {
            Words::F(w) => Ok(w),
            Words::U(_) => Err(Error::failure(format!("`{path}` holds integers"))),
        }
    }

    fn index(&self, path: &str) -> Result<usize> {
        self.names.get(path).copied().ok_or_else(|| Error::failure(format!("the store has no `{path}`")))
    }

    fn replay(&mut self, plan: usize, step: &StepRow, mut timed: impl FnMut(Span)) {
        let first = Instant::now();
        let loaded = &self.plans[plan];
        for (d, (ins, outs)) in loaded.plan.dispatches.iter().zip(&loaded.indices) {
            let start = Instant::now();
            // Outputs are moved out of the arena while the dispatch runs, so that inputs can be borrowed from it; the
            // plan's validator has shown that none is both.
            let mut held: [Words<R>; MAX_OUTS] = std::array::from_fn(|_| Words::U(Vec::new()));
            for (h, &o) in held.iter_mut().zip(outs) {
                std::mem::swap(h, &mut self.buffers[o]);
            }
            {
                let mut inputs = [In::U(&[]); MAX_INS];
                for ((slot, &i), v) in inputs.iter_mut().zip(ins).zip(&d.ins) {
                    *slot = self.buffers[i].input(v);
                }
                let mut outputs: [Out<R>; MAX_OUTS] = std::array::from_fn(|_| Out::U(&mut []));
                for ((slot, h), v) in outputs.iter_mut().zip(&mut held).zip(&d.outs) {
                    *slot = h.output(v);
                }
                self.runner.run(d, step, &inputs[..ins.len()], &mut outputs[..outs.len()]);
            }
            for (h, &o) in held.iter_mut().zip(outs) {
                std::mem::swap(h, &mut self.buffers[o]);
            }
            timed(Span { start: (start - first).as_secs_f64(), seconds: start.elapsed().as_secs_f64() });
        }
    }
}

impl<R: Real, X: Runner<R>> super::Executor for Host<R, X> {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn stored(&self, path: &str) -> Option<(DType, usize)> {
        self.names.get(path).map(|&i| (self.buffers[i].dtype(), self.buffers[i].len()))
    }

    fn create(&mut self, path: &str, dtype: DType, len: usize) -> Result<()> {
        match self.stored(path) {
            Some(known) if known == (dtype, len) => {}
            Some(_) => return Err(Error::failure(format!("the store already has another `{path}`"))),
            None => {
                self.names.insert(path.into(), self.buffers.len());
                self.buffers.push(Words::zeros(dtype, len));
            }
        }
        Ok(())
    }

    fn write(&mut self, path: &str, offset: usize, data: &HostBuf) -> Result<()> {
        let i = self.index(path)?;
        match (&mut self.buffers[i], data) {
            (Words::F(w), HostBuf::F32(v)) if offset + v.len() <= w.len() => {
                w[offset..][..v.len()].iter_mut().zip(v).for_each(|(w, &v)| *w = R::of(v.into()));
            }
            (Words::U(w), HostBuf::U32(v)) if offset + v.len() <= w.len() => {
                w[offset..][..v.len()].copy_from_slice(v);
            }
            _ => return Err(Error::failure(format!("{} elements at {offset} do not fit `{path}`", data.len()))),
        }
        Ok(())
    }

    fn read(&mut self, path: &str) -> Result<HostBuf> {
        Ok(match &self.buffers[self.index(path)?] {
            Words::F(w) => HostBuf::F32(w.iter().map(|v| v.f64() as f32).collect()),
            Words::U(w) => HostBuf::U32(w.clone()),
        })
    }

    fn load(&mut self, plan: &Plan) -> Result<PlanId> {
        create_scratch(self, &plan.stores)?;
        let stores: Vec<usize> = plan.stores.iter().map(|s| self.index(&s.path)).collect::<Result<_>>()?;
        let first = self.buffers.len();
        self.buffers.extend(plan.slots.iter().map(|s| Words::zeros(s.dtype, s.len)));
        let index = |v: &View| match v.buffer {
            Buffer::Store(s) => stores[s],
            Buffer::Slot(s) => first + s,
        };
        let both = |d: &Dispatch| (d.ins.iter().map(index).collect(), d.outs.iter().map(index).collect());
        let indices = plan.dispatches.iter().map(both).collect();
        let log = plan.log.as_ref().map(|l| self.index(&l.path).map(|i| (i, l.names.len()))).transpose()?;
        self.plans.push(Loaded { plan: plan.clone(), indices, log });
        Ok(PlanId(self.plans.len() - 1))
    }

    fn submit(&mut self, plan: PlanId, rows: &[StepRow]) -> Result<Ticket> {
        for row in rows {
            self.replay(plan.0, row, |_| {});
        }
        self.tickets += 1;
        if let Some((table, columns)) = self.plans[plan.0].log
            && let Words::F(w) = &self.buffers[table]
        {
            let table: Vec<f32> = w.iter().map(|v| v.f64() as f32).collect();
            self.results.insert(self.tickets, split_rows(&table, columns, rows));
        }
        Ok(Ticket(self.tickets))
    }

    fn fetch(&mut self, ticket: Ticket) -> Result<Vec<Vec<f32>>> {
        Ok(self.results.remove(&ticket.0).unwrap_or_default())
    }

    fn clear(&mut self) {
        self.buffers.clear();
        self.names.clear();
        self.plans.clear();
        self.results.clear();
    }

    fn profile(&mut self, plan: PlanId, row: &StepRow) -> Result<Vec<Span>> {
        let mut spans = Vec::new();
        self.replay(plan.0, row, |s| spans.push(s));
        Ok(spans)
    }
}

/// The items that one call divides into, whole.
pub(super) fn whole(kernel: &dyn Kernel, d: &Dispatch) -> std::ops::Range<usize> {
    0..kernel.work(&d.call).items
}

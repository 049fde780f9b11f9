//! `gpu`: a plan through wgpu, its only user. Everything that replaying needs is made at [`Executor::load`]; a submit
//! encodes one compute pass over all its steps and copies the metrics to a ring of staging buffers.

pub mod choice;
mod context;
mod pipelines;
mod probe;

pub use context::{Context, adapters, has_subgroups, is_software};

use super::{DeviceInfo, Executor, PlanId, Span, Ticket, create_scratch, split_rows};
use crate::kernels::StepRow;
use crate::plan::{Buffer, Dispatch, LOG_ROWS, Plan, View};
use crate::values::{DType, Error, HostBuf, Result};
use choice::{Choices, Way};
use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use pipelines::{Compiled, Pipelines};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// Bytes between the uniforms of neighbouring dispatches, and between step rows: the strictest alignment.
const UNIFORM: u64 = 256;
/// The most workgroups in one dimension of a grid.
const FOLD: u64 = 65_535;
/// Submits whose metrics may wait to be fetched.
const RING: usize = 4;
/// The most timestamps that one query set holds.
const QUERIES: usize = wgpu::QUERY_SET_MAX_QUERIES as usize;

struct Stored {
    buffer: wgpu::Buffer,
    dtype: DType,
    len: usize,
}

struct Ready {
    compiled: Arc<Compiled>,
    group: wgpu::BindGroup,
    groups: (u32, u32),
    uses_step: bool,
}

struct Loaded {
    dispatches: Vec<Ready>,
    log: Option<(String, usize)>,
}

struct Pending {
    ticket: u64,
    submission: wgpu::SubmissionIndex,
    /// The staging buffer, the rows to read, the columns, and the word that it is mapped.
    table: Option<(wgpu::Buffer, OneshotReceiver<bool>, Vec<StepRow>, usize)>,
}

/// The executor on an adapter.
pub struct Gpu {
    context: Context,
    info: DeviceInfo,
    pipelines: Pipelines,
    store: HashMap<String, Stored>,
    plans: Vec<Loaded>,
    steps: wgpu::Buffer,
    staging: Vec<wgpu::Buffer>,
    pending: VecDeque<Pending>,
    tickets: u64,
    /// Ways to compute calls that are taken in place of those that plans name.
    choices: Option<Choices>,
}

impl Gpu {
    /// An empty Store on an open device, which computes every call as it is written.
    pub fn new(context: Context) -> Self {
        let info = DeviceInfo {
            device: "gpu",
            adapter: context.info.name.clone(),
            driver: choice::driver(&context.info),
            binding_elements: (context.limits.max_storage_buffer_binding_size / 4) as usize,
        };
        let steps = context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("steps"),
            size: UNIFORM * LOG_ROWS as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Self {
            context,
            info,
            pipelines: Pipelines::default(),
            store: HashMap::new(),
            plans: Vec::new(),
            steps,
            staging: Vec::new(),
            pending: VecDeque::new(),
            tickets: 0,
            choices: None,
        }
    }

    /// The same, taking the ways to compute a call that suit the adapter.
    pub fn choosing(self) -> Self {
        let choices = Choices::of(&self.context);
        self.taking(choices)
    }

    /// The same, taking these.
    pub fn taking(self, choices: Choices) -> Self {
        Self { choices: Some(choices), ..self }
    }

    /// The device.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Waits for the device no longer than this at a time, then gives up with an error.
    pub fn set_patience(&mut self, patience: Duration) {
        self.context.set_patience(patience);
    }

    fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let descriptor =
            wgpu::BufferDescriptor { label: Some(label), size: bytes.max(4), usage, mapped_at_creation: false };
        self.context.device.create_buffer(&descriptor)
    }

    fn storage(&self, label: &str, len: usize) -> Result<wgpu::Buffer> {
        if len > self.info.binding_elements {
            return Err(Error::failure(format!(
                "{label} of {len} elements is larger than the {} that one binding of {} holds",
                self.info.binding_elements, self.info.adapter
            )));
        }
        use wgpu::BufferUsages as U;
        let b = self.buffer(label, 4 * len as u64, U::STORAGE | U::COPY_SRC | U::COPY_DST);
        self.context.check()?;
        Ok(b)
    }

    fn get(&self, path: &str) -> Result<&Stored> {
        self.store.get(path).ok_or_else(|| Error::failure(format!("the store has no `{path}`")))
    }

    /// How a dispatch is computed here.
    fn way(&self, d: &Dispatch) -> Way {
        let plain = || Way { kernel: d.kernel, call: d.call.clone() };
        self.choices.as_ref().map_or_else(plain, |c| c.way(d.kernel, &d.call))
    }

    fn ready(
        &mut self,
        d: &Dispatch,
        way: &Way,
        place: impl Fn(&View) -> wgpu::Buffer,
        uniforms: &wgpu::Buffer,
        at: u64,
    ) -> Result<Ready> {
        let Way { kernel, call } = way;
        let compiled = self.pipelines.get(&self.context, *kernel, call)?;
        let range = |buffer, offset: u64, bytes: u64| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: std::num::NonZero::new(bytes) })
        };
        let views: Vec<&View> = d.ins.iter().chain(&d.outs).collect();
        let buffers: Vec<wgpu::Buffer> = views.iter().map(|v| place(v)).collect();
        let mut entries: Vec<_> = views
            .iter()
            .zip(&buffers)
            .enumerate()
            .map(|(i, (v, b))| wgpu::BindGroupEntry {
                binding: i as u32,
                resource: range(b, 4 * v.offset as u64, 4 * v.len as u64),
            })
            .collect();
        let i = &compiled.interface;
        entries.push(wgpu::BindGroupEntry {
            binding: i.params,
            resource: range(uniforms, at, 4 * call.params.len().next_multiple_of(4) as u64),
        });
        if let Some(binding) = i.step {
            entries.push(wgpu::BindGroupEntry { binding, resource: range(&self.steps, 0, UNIFORM) });
        }
        let group = self.context.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.name()),
            layout: &compiled.layout,
            entries: &entries,
        });
        self.context.check()?;
        let groups = kernel.work(call).workgroups.max(1);
        let groups = if groups <= FOLD { (groups as u32, 1) } else { (FOLD as u32, groups.div_ceil(FOLD) as u32) };
        let uses_step = i.step.is_some();
        Ok(Ready { compiled, group, groups, uses_step })
    }

    fn encode(&self, pass: &mut wgpu::ComputePass<'_>, r: &Ready, row: usize) {
        pass.set_pipeline(&r.compiled.pipeline);
        let offset = [(row as u64 * UNIFORM) as u32];
        pass.set_bind_group(0, &r.group, if r.uses_step { &offset } else { &[] });
        pass.dispatch_workgroups(r.groups.0, r.groups.1, 1);
    }

    fn write_steps(&self, rows: &[StepRow]) {
        self.context.queue.write_buffer(&self.steps, 0, bytemuck::cast_slice(rows));
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.context.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("elbo") })
    }

    /// Maps a buffer and returns its bytes.
    fn mapped(&self, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>> {
        let (sender, receiver) = oneshot_channel();
        buffer.map_async(wgpu::MapMode::Read, 0..bytes, move |r| {
            let _ = sender.send(r.is_ok());
        });
        self.context.wait(None)?;
        self.take_mapped(buffer, &receiver, bytes)
    }

    fn take_mapped(&self, buffer: &wgpu::Buffer, receiver: &OneshotReceiver<bool>, bytes: u64) -> Result<Vec<u8>> {
        let unread = || Error::failure(format!("a buffer of {} could not be read back", self.info.adapter));
        // The wait before has run the callbacks: what has not come by now never comes, and must not be waited for.
        let mut word = pin!(receiver.receive());
        let arrived = word.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()));
        if arrived != Poll::Ready(Some(true)) {
            self.context.check()?;
            return Err(unread());
        }
        let data = buffer.get_mapped_range(0..bytes).map_err(|_| unread())?.to_vec();
        buffer.unmap();
        Ok(data)
    }
}

impl Executor for Gpu {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn has_subgroups(&self) -> bool {
        self.context.subgroups
    }

    fn stored(&self, path: &str) -> Option<(DType, usize)> {
        self.store.get(path).map(|s| (s.dtype, s.len))
    }

    fn create(&mut self, path: &str, dtype: DType, len: usize) -> Result<()> {
        match self.stored(path) {
            Some(known) if known == (dtype, len) => Ok(()),
            Some(_) => Err(Error::failure(format!("the store already has another `{path}`"))),
            None => {
                let buffer = self.storage(path, len)?;
                self.store.insert(path.into(), Stored { buffer, dtype, len });
                Ok(())
            }
        }
    }

    fn write(&mut self, path: &str, offset: usize, data: &HostBuf) -> Result<()> {
        let s = self.get(path)?;
        if s.dtype != data.dtype() || offset + data.len() > s.len {
            return Err(Error::failure(format!("{} elements at {offset} do not fit `{path}`", data.len())));
        }
        self.context.queue.write_buffer(&s.buffer, 4 * offset as u64, data.bytes());
        self.context.check()
    }

    fn read(&mut self, path: &str) -> Result<HostBuf> {
        let s = self.get(path)?;
        let bytes = 4 * s.len as u64;
        let staging = self.buffer("read", bytes, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(&s.buffer, 0, &staging, 0, bytes);
        self.context.queue.submit([encoder.finish()]);
        let data = self.mapped(&staging, bytes)?;
        Ok(match s.dtype {
            DType::F32 => HostBuf::F32(bytemuck::pod_collect_to_vec(&data)),
            DType::U32 => HostBuf::U32(bytemuck::pod_collect_to_vec(&data)),
        })
    }

    fn load(&mut self, plan: &Plan) -> Result<PlanId> {
        create_scratch(self, &plan.stores)?;
        let stores: Vec<wgpu::Buffer> =
            plan.stores.iter().map(|s| self.get(&s.path).map(|s| s.buffer.clone())).collect::<Result<_>>()?;
        let slots: Vec<wgpu::Buffer> = plan
            .slots
            .iter()
            .enumerate()
            .map(|(i, s)| self.storage(&format!("slot {i}"), s.len))
            .collect::<Result<_>>()?;
        let place = |v: &View| match v.buffer {
            Buffer::Store(s) => stores[s].clone(),
            Buffer::Slot(s) => slots[s].clone(),
        };
        let mut words = vec![0u32; plan.dispatches.len() * (UNIFORM / 4) as usize];
        let ways: Vec<Way> = plan.dispatches.iter().map(|d| self.way(d)).collect();
        for (way, at) in ways.iter().zip(words.chunks_mut((UNIFORM / 4) as usize)) {
            at[..way.call.params.len()].copy_from_slice(&way.call.params);
        }
        use wgpu::BufferUsages as U;
        let uniforms = self.buffer("uniforms", 4 * words.len() as u64, U::UNIFORM | U::COPY_DST);
        self.context.queue.write_buffer(&uniforms, 0, bytemuck::cast_slice(&words));
        let mut dispatches = Vec::with_capacity(plan.dispatches.len());
        for (i, (d, way)) in plan.dispatches.iter().zip(&ways).enumerate() {
            dispatches.push(self.ready(d, way, place, &uniforms, i as u64 * UNIFORM)?);
        }
        let log = plan.log.as_ref().map(|l| (l.path.clone(), l.names.len()));
        self.plans.push(Loaded { dispatches, log });
        Ok(PlanId(self.plans.len() - 1))
    }

    fn submit(&mut self, plan: PlanId, rows: &[StepRow]) -> Result<Ticket> {
        self.write_steps(rows);
        let mut encoder = self.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for row in 0..rows.len() {
                for r in &self.plans[plan.0].dispatches {
                    self.encode(&mut pass, r, row);
                }
            }
        }
        let mut table = None;
        if let Some((path, columns)) = self.plans[plan.0].log.clone() {
            let bytes = 4 * (LOG_ROWS * columns) as u64;
            let free = self.staging.iter().position(|b| b.size() == bytes).map(|i| self.staging.swap_remove(i));
            let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
            let buffer = free.unwrap_or_else(|| self.buffer("metrics", bytes, usage));
            encoder.copy_buffer_to_buffer(&self.get(&path)?.buffer, 0, &buffer, 0, bytes);
            table = Some((buffer, columns));
        }
        let submission = self.context.queue.submit([encoder.finish()]);
        self.context.check()?;
        self.tickets += 1;
        let table = table.map(|(buffer, columns)| {
            let (sender, receiver) = oneshot_channel();
            buffer.map_async(wgpu::MapMode::Read, .., move |r| {
                let _ = sender.send(r.is_ok());
            });
            (buffer, receiver, rows.to_vec(), columns)
        });
        self.pending.push_back(Pending { ticket: self.tickets, submission, table });
        if self.pending.len() > RING {
            // Nobody fetched the oldest: its buffer is let go, so that the ring does not grow.
            self.pending.pop_front();
        }
        Ok(Ticket(self.tickets))
    }

    fn fetch(&mut self, ticket: Ticket) -> Result<Vec<Vec<f32>>> {
        let Some(at) = self.pending.iter().position(|p| p.ticket == ticket.0) else { return Ok(Vec::new()) };
        let Some(p) = self.pending.remove(at) else { return Ok(Vec::new()) };
        self.context.wait(Some(p.submission))?;
        let Some((buffer, receiver, rows, columns)) = p.table else { return Ok(Vec::new()) };
        let bytes = self.take_mapped(&buffer, &receiver, buffer.size())?;
        self.staging.push(buffer);
        Ok(split_rows(&bytemuck::pod_collect_to_vec::<u8, f32>(&bytes), columns, &rows))
    }

    fn clear(&mut self) {
        self.plans.clear();
        self.store.clear();
        self.pending.clear();
    }

    fn profile(&mut self, plan: PlanId, row: &StepRow) -> Result<Vec<Span>> {
        self.write_steps(&[*row]);
        if !self.context.timestamps {
            return self.profile_by_clock(plan);
        }
        let n = self.plans[plan.0].dispatches.len();
        let bytes = 16 * n as u64;
        use wgpu::BufferUsages as U;
        let resolved = self.buffer("timestamps", bytes, U::QUERY_RESOLVE | U::COPY_SRC);
        let staging = self.buffer("timestamps", bytes, U::MAP_READ | U::COPY_DST);
        let mut encoder = self.encoder();
        for (part, dispatches) in self.plans[plan.0].dispatches.chunks(QUERIES / 2).enumerate() {
            let count = 2 * dispatches.len() as u32;
            let queries = self.context.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("profile"),
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            for (i, r) in dispatches.iter().enumerate() {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: None,
                    timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                        query_set: &queries,
                        beginning_of_pass_write_index: Some(2 * i as u32),
                        end_of_pass_write_index: Some(2 * i as u32 + 1),
                    }),
                });
                self.encode(&mut pass, r, 0);
            }
            encoder.resolve_query_set(&queries, 0..count, &resolved, (part * QUERIES * 8) as u64);
        }
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, bytes);
        self.context.queue.submit([encoder.finish()]);
        self.context.check()?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&self.mapped(&staging, bytes)?);
        let period = f64::from(self.context.queue.get_timestamp_period()) * 1e-9;
        let first = ticks.first().copied().unwrap_or(0);
        let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 * period;
        Ok(ticks.chunks(2).map(|t| Span { start: seconds(first, t[0]), seconds: seconds(t[0], t[1]) }).collect())
    }
}

impl Gpu {
    /// Without timestamps: one submit a dispatch, by the wall clock.
    fn profile_by_clock(&mut self, plan: PlanId) -> Result<Vec<Span>> {
        let first = Instant::now();
        let mut spans = Vec::new();
        for r in &self.plans[plan.0].dispatches {
            let start = Instant::now();
            let mut encoder = self.encoder();
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                self.encode(&mut pass, r, 0);
            }
            let submission = self.context.queue.submit([encoder.finish()]);
            self.context.wait(Some(submission))?;
            spans.push(Span { start: (start - first).as_secs_f64(), seconds: start.elapsed().as_secs_f64() });
        }
        self.context.check()?;
        Ok(spans)
    }
}

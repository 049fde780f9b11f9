//! The one owner of instance, adapter, device and queue. Errors are stored and returned, never panicked.

use crate::values::{Error, Result};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

thread_local! {
    /// Whether a panic of this thread is expected, and caught.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What `f` returns, or None where it panics, of which the user sees nothing.
fn quietly<T>(f: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(true);
    let made = catch_unwind(AssertUnwindSafe(f)).ok();
    QUIET.set(false);
    made
}

/// Every adapter of this machine, in the order in which `--device gpu:N` counts.
pub fn adapters() -> Vec<wgpu::Adapter> {
    pollster::block_on(instance().enumerate_adapters(wgpu::Backends::all()))
}

fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle())
}

/// Whether an adapter computes on the host: llvmpipe, SwiftShader, WARP.
pub fn is_software(info: &wgpu::AdapterInfo) -> bool {
    info.device_type == wgpu::DeviceType::Cpu
}

/// Whether an adapter has subgroups of four or more invocations: fewer speak to too few.
pub fn has_subgroups(adapter: &wgpu::Adapter) -> bool {
    adapter.features().contains(wgpu::Features::SUBGROUP) && adapter.get_info().subgroup_min_size >= 4
}

/// A device that is open.
pub struct Context {
    /// The device.
    pub device: wgpu::Device,
    /// Its queue.
    pub queue: wgpu::Queue,
    /// What the adapter says of itself.
    pub info: wgpu::AdapterInfo,
    /// Its limits.
    pub limits: wgpu::Limits,
    /// Whether timestamps can be had.
    pub timestamps: bool,
    /// Whether there are subgroups of four or more invocations.
    pub subgroups: bool,
    /// How long [`Context::wait`] waits.
    patience: Duration,
    failure: Arc<Mutex<Option<String>>>,
    lost: Arc<AtomicBool>,
}

impl Context {
    /// Opens an adapter, with all that it offers or (`default_limits`) no more than WebGPU promises everywhere.
    pub fn open(adapter: &wgpu::Adapter, default_limits: bool) -> Result<Self> {
        let info = adapter.get_info();
        let timestamps = adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let limits = if default_limits { wgpu::Limits::default() } else { adapter.limits() };
        let subgroups = has_subgroups(adapter);
        let mut features = wgpu::Features::empty();
        features.set(wgpu::Features::TIMESTAMP_QUERY, timestamps);
        features.set(wgpu::Features::SUBGROUP, subgroups);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("elbo"),
            required_features: features,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| Error::failure(format!("the adapter {} does not open: {e}", info.name)))?;
        let failure = Arc::new(Mutex::new(None));
        let lost = Arc::new(AtomicBool::new(false));
        let first = failure.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            let mut slot = first.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            slot.get_or_insert(e.to_string());
        }));
        let flag = lost.clone();
        device.set_device_lost_callback(move |_, _| flag.store(true, Ordering::Relaxed));
        let patience = Duration::from_secs(if is_software(&info) { 1200 } else { 60 });
        Ok(Self { device, queue, info, limits, timestamps, subgroups, patience, failure, lost })
    }

    /// Waits no longer than this at a time.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The first error that the device has raised, once.
    pub fn check(&self) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if failure.is_some() {
            // A refusal may be the first word of a loss, whose callback waits for a poll.
            self.poll(wgpu::PollType::Poll)?;
        }
        match failure {
            _ if self.lost.load(Ordering::Relaxed) => Err(self.loss()),
            Some(text) => {
                let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
                Err(Error::failure(format!("the device {} refused: {line}", self.info.name)))
            }
            None => Ok(()),
        }
    }

    /// Waits for a submission (or for all). Bounded, and guarded: `poll` panics where a device is lost.
    pub fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let timeout = Some(self.patience);
        if self.poll(wgpu::PollType::Wait { submission_index: submission, timeout })? {
            return self.check();
        }
        // Dropping the device or its queue would wait for the work once more, and without a bound.
        self.leave();
        let (name, seconds) = (&self.info.name, self.patience.as_secs_f64());
        Err(Error::Hung(format!("the device {name} did not finish its work in {seconds} s")))
    }

    /// Polls the device; false where the time was over first.
    fn poll(&self, how: wgpu::PollType) -> Result<bool> {
        match quietly(|| self.device.poll(how)) {
            Some(Ok(_)) => Ok(true),
            Some(Err(wgpu::PollError::Timeout)) => Ok(false),
            // The submission that is waited for never reached the device: wgpu swallows what goes to a lost one.
            Some(Err(wgpu::PollError::WrongSubmissionIndex(..))) => Err(self.loss()),
            None => {
                // What unwound may have left a lock behind, on which dropping the device would unwind again.
                self.leave();
                Err(self.loss())
            }
        }
    }

    /// Leaves device and queue to the system: what drops after this waits for nothing.
    fn leave(&self) {
        std::mem::forget((self.device.clone(), self.queue.clone()));
    }

    fn loss(&self) -> Error {
        Error::Lost(format!("the device {} was lost", self.info.name))
    }
}

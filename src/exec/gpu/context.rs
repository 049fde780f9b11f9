//! The one owner of instance, adapter, device and queue. Errors are stored and returned, never panicked.

use crate::values::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
    failure: Arc<Mutex<Option<String>>>,
    lost: Arc<AtomicBool>,
}

impl Context {
    /// Opens an adapter, with all that it offers or (`default_limits`) no more than WebGPU promises everywhere.
    pub fn open(adapter: &wgpu::Adapter, default_limits: bool) -> Result<Self> {
        let info = adapter.get_info();
        let timestamps = adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let limits = if default_limits { wgpu::Limits::default() } else { adapter.limits() };
        let features = if timestamps { wgpu::Features::TIMESTAMP_QUERY } else { wgpu::Features::empty() };
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
        device.set_device_lost_callback(move |reason, _| {
            flag.store(reason != wgpu::DeviceLostReason::Destroyed, Ordering::Relaxed);
        });
        Ok(Self { device, queue, info, limits, timestamps, failure, lost })
    }

    /// The first error that the device has raised, once.
    pub fn check(&self) -> Result<()> {
        let lost = self.lost.load(Ordering::Relaxed);
        let mut slot = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match slot.take() {
            _ if lost => Err(Error::failure(format!("the device {} was lost", self.info.name))),
            Some(text) => {
                let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
                Err(Error::failure(format!("the device {} refused: {line}", self.info.name)))
            }
            None => Ok(()),
        }
    }

    /// Waits for a submission (or for all). Bounded, and guarded: `poll` panics where a device is lost.
    pub fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let seconds = if is_software(&self.info) { 1200 } else { 60 };
        let timeout = Some(Duration::from_secs(seconds));
        let poll = || self.device.poll(wgpu::PollType::Wait { submission_index: submission, timeout });
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(Ok(_)) => self.check(),
            Ok(Err(_)) => Err(Error::failure(format!("the device {} did not finish in {seconds} s", self.info.name))),
            Err(_) => Err(Error::failure(format!("the device {} was lost", self.info.name))),
        }
    }
}

//! `--device`: which executor the user means, and opening it.

use super::gpu::{Context, Gpu, adapters, is_software};
use super::{Cpu, Executor, Reference};
use crate::values::{Error, Result};
use std::str::FromStr;

/// What `--device` says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Choice {
    /// A real GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// f32 on all cores.
    Cpu,
    /// f64, one thread.
    Reference,
    /// The best adapter: a real GPU before a software one.
    Gpu,
    /// An adapter by its number in `elbo devices`.
    GpuNumber(usize),
    /// The first adapter whose name contains this.
    GpuName(String),
}

impl FromStr for Choice {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        Ok(match s {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "reference" => Self::Reference,
            "gpu" => Self::Gpu,
            _ => match s.strip_prefix("gpu:").filter(|rest| !rest.is_empty()) {
                Some(rest) => rest.parse().map_or_else(|_| Self::GpuName(rest.into()), Self::GpuNumber),
                None => {
                    let known = "auto, cpu, gpu, gpu:N, gpu:NAME or reference";
                    return Err(Error::usage(format!("no device `{s}`; choose {known}")));
                }
            },
        })
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Reference => f.write_str("reference"),
            Self::Gpu => f.write_str("gpu"),
            Self::GpuNumber(n) => write!(f, "gpu:{n}"),
            Self::GpuName(name) => write!(f, "gpu:{name}"),
        }
    }
}

/// Opens what was chosen. On a GPU it takes the ways to compute a call that suit the adapter: [`choice`](super::gpu::choice).
pub fn open(choice: &Choice) -> Result<Box<dyn Executor>> {
    opened(choice, Gpu::choosing)
}

/// The same, but every call is computed as it is written: to measure kernels by their names.
pub fn open_as_written(choice: &Choice) -> Result<Box<dyn Executor>> {
    opened(choice, |gpu| gpu)
}

fn opened(choice: &Choice, with: fn(Gpu) -> Gpu) -> Result<Box<dyn Executor>> {
    Ok(match adapter(choice)? {
        Some(a) => Box::new(with(Gpu::new(Context::open(&a, false)?))),
        None if *choice == Choice::Reference => Box::new(Reference::reference()),
        None => Box::new(Cpu::cpu()),
    })
}

/// The adapter that a choice means; none where it means the host.
pub fn adapter(choice: &Choice) -> Result<Option<wgpu::Adapter>> {
    let none = |what: &str| {
        Error::failure(format!(
            "{what}; `elbo devices` lists what there is, `--device cpu` needs no GPU (a software Vulkan driver, such as \
             Mesa's llvmpipe, also serves as one)"
        ))
    };
    let (found, what) = match choice {
        Choice::Cpu | Choice::Reference => return Ok(None),
        Choice::Auto => return Ok(adapters().into_iter().find(|a| !is_software(&a.get_info()))),
        Choice::Gpu => {
            let best = adapters().into_iter().min_by_key(|a| rank(&a.get_info()));
            (best, "this machine has no graphics adapter".into())
        }
        Choice::GpuNumber(n) => {
            let mut all = adapters();
            let what = format!("no adapter number {n} among {}", all.len());
            ((*n < all.len()).then(|| all.swap_remove(*n)), what)
        }
        Choice::GpuName(name) => {
            let wanted = name.to_lowercase();
            let named = |a: &wgpu::Adapter| a.get_info().name.to_lowercase().contains(&wanted);
            (adapters().into_iter().find(named), format!("no adapter's name contains `{name}`"))
        }
    };
    found.map(Some).ok_or_else(|| none(&what))
}

/// Real GPUs first, the faster kind before the slower.
fn rank(i: &wgpu::AdapterInfo) -> u8 {
    match i.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_and_written_alike() {
        for text in ["auto", "cpu", "reference", "gpu", "gpu:1", "gpu:llvmpipe"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
        for text in ["", "cuda", "gpu:", "gpu2"] {
            assert!(text.parse::<Choice>().unwrap_err().to_string().contains("gpu:NAME"), "{text}");
        }
    }
}

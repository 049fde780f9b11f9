//! `elbo devices`.

use super::common::{kind, show};
use crate::exec::gpu::{adapters, is_software};
use crate::exec::{Cpu, Executor as _};
use crate::values::Result;
use serde_json::json;
use std::fmt::Write as _;

/// Arguments of `elbo devices`.
#[derive(clap::Args)]
pub struct Args {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(a: Args) -> Result<()> {
    let all = adapters();
    let mut text = String::new();
    let mut say = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a String takes every write");
    if a.json {
        say(format_args!("{}", json!({ "device": "cpu", "threads": rayon::current_num_threads() })));
    } else {
        say(format_args!("cpu        {}, f32", Cpu::cpu().info().adapter));
        say(format_args!("reference  1 thread, f64: what the others are checked against"));
    }
    for (i, adapter) in all.iter().enumerate() {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        let mut features: Vec<&str> = Vec::new();
        let wanted = [
            (wgpu::Features::SHADER_F16, "f16"),
            (wgpu::Features::SUBGROUP, "subgroups"),
            (wgpu::Features::TIMESTAMP_QUERY, "timestamps"),
        ];
        features.extend(wanted.iter().filter(|(f, _)| adapter.features().contains(*f)).map(|(_, name)| *name));
        let driver = format!("{} {}", info.driver, info.driver_info);
        if a.json {
            let object = json!({
                "device": format!("gpu:{i}"),
                "name": info.name,
                "kind": format!("{:?}", info.device_type),
                "backend": info.backend.to_string(),
                "driver": driver.trim(),
                "software": is_software(&info),
                "features": features,
                "subgroup": [info.subgroup_min_size, info.subgroup_max_size],
                "max_binding_bytes": limits.max_storage_buffer_binding_size,
                "max_buffer_bytes": limits.max_buffer_size,
                "max_workgroup_invocations": limits.max_compute_invocations_per_workgroup,
                "max_workgroup_bytes": limits.max_compute_workgroup_storage_size,
            });
            say(format_args!("{object}"));
            continue;
        }
        say(format_args!("gpu:{i}      {}", info.name));
        say(format_args!("           {} through {}, {}", kind(&info), info.backend, driver.trim()));
        say(format_args!(
            "           binding {} MiB, workgroup {} invocations and {} KiB, subgroup {} to {}; {}",
            limits.max_storage_buffer_binding_size >> 20,
            limits.max_compute_invocations_per_workgroup,
            limits.max_compute_workgroup_storage_size >> 10,
            info.subgroup_min_size,
            info.subgroup_max_size,
            if features.is_empty() { "no optional features".into() } else { features.join(", ") }
        ));
    }
    if all.is_empty() && !a.json {
        say(format_args!("gpu        none: no driver of Vulkan, Metal or DX12 was found"));
    }
    show(&text)
}

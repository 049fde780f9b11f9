//! One shader that is no kernel, run once: what the self-test of an adapter asks.

use super::Context;
use crate::values::{Error, Result};
use wgpu::util::DeviceExt;

impl Context {
    /// Runs `wgsl` (binding 0: words that it reads, binding 1: words that it writes; entry `main`, overrides by name)
    /// over `groups` workgroups, and returns the `len` words that it wrote.
    pub fn probe(
        &self,
        wgsl: &str,
        overrides: &[(&str, f64)],
        input: &[u32],
        len: usize,
        groups: u32,
    ) -> Result<Vec<u32>> {
        use wgpu::BufferUsages as U;
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("probe"),
            source: wgpu::ShaderSource::Wgsl(wgsl.into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("probe"),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions { constants: overrides, ..Default::default() },
            cache: None,
        });
        self.check()?;
        let contents = bytemuck::cast_slice(input);
        let x = self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("probe"),
            contents,
            usage: U::STORAGE,
        });
        let buffer = |usage| {
            let size = 4 * len as u64;
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("probe"),
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let (y, staging) = (buffer(U::STORAGE | U::COPY_SRC), buffer(U::MAP_READ | U::COPY_DST));
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("probe"),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: x.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: y.as_entire_binding() },
            ],
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("probe") });
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(groups, 1, 1);
        }
        encoder.copy_buffer_to_buffer(&y, 0, &staging, 0, 4 * len as u64);
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |_| {});
        self.wait(None)?;
        let lost = |_| Error::failure(format!("a probe of {} could not be read back", self.info.name));
        let words = bytemuck::pod_collect_to_vec(&staging.get_mapped_range(..).map_err(lost)?);
        Ok(words)
    }
}

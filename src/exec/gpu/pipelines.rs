//! Compiled kernels: one shader module a file, one pipeline a set of overrides; shapes are uniforms, so pipelines
//! serve every shape.

use super::context::Context;
use crate::kernels::wgsl::{Access, Interface, Source};
use crate::kernels::{Call, Kernel};
use crate::values::Result;
use std::collections::HashMap;
use std::sync::Arc;

/// A kernel that is ready to run.
pub struct Compiled {
    /// The pipeline.
    pub pipeline: wgpu::ComputePipeline,
    /// The layout of its bind group.
    pub layout: wgpu::BindGroupLayout,
    /// What its .wgsl declares.
    pub interface: Interface,
}

struct Module {
    shader: wgpu::ShaderModule,
    layout: wgpu::BindGroupLayout,
    interface: Interface,
}

/// The cache.
#[derive(Default)]
pub struct Pipelines {
    modules: HashMap<&'static str, Module>,
    compiled: HashMap<(&'static str, Vec<u32>), Arc<Compiled>>,
}

impl Pipelines {
    /// The pipeline of a call, compiled at its first use.
    pub fn get(&mut self, gpu: &Context, kernel: &'static dyn Kernel, call: &Call) -> Result<Arc<Compiled>> {
        let key = (kernel.name(), call.consts.clone());
        if let Some(c) = self.compiled.get(&key) {
            return Ok(c.clone());
        }
        if !self.modules.contains_key(kernel.name()) {
            self.modules.insert(kernel.name(), Module::new(gpu, kernel)?);
        }
        let m = &self.modules[kernel.name()];
        let pipeline_layout = gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.name()),
            bind_group_layouts: &[Some(&m.layout)],
            immediate_size: 0,
        });
        let constants: Vec<(&str, f64)> =
            kernel.overrides().iter().zip(&call.consts).map(|(&name, &v)| (name, f64::from(v))).collect();
        let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name()),
            layout: Some(&pipeline_layout),
            module: &m.shader,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
            cache: None,
        });
        gpu.check()?;
        let compiled = Compiled { pipeline, layout: m.layout.clone(), interface: m.interface.clone() };
        let compiled = Arc::new(compiled);
        self.compiled.insert(key, compiled.clone());
        Ok(compiled)
    }
}

impl Module {
    fn new(gpu: &Context, kernel: &'static dyn Kernel) -> Result<Self> {
        let source = Source::resolve(kernel.name(), kernel.wgsl())?;
        let interface = source.reflect()?;
        let shader = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(kernel.name()),
            source: wgpu::ShaderSource::Wgsl(source.text.into()),
        });
        let buffer = |binding: u32, ty: wgpu::BufferBindingType, has_dynamic_offset: bool| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
            count: None,
        };
        let storage = interface.storage.iter().enumerate().map(|(i, b)| {
            let ty = wgpu::BufferBindingType::Storage { read_only: b.access == Access::Read };
            buffer(i as u32, ty, false)
        });
        let mut entries: Vec<_> = storage.collect();
        entries.push(buffer(interface.params, wgpu::BufferBindingType::Uniform, false));
        entries.extend(interface.step.map(|b| buffer(b, wgpu::BufferBindingType::Uniform, true)));
        let layout = gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(kernel.name()),
            entries: &entries,
        });
        gpu.check()?;
        Ok(Self { shader, layout, interface })
    }
}

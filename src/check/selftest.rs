//! What an adapter's arithmetic does: accuracy of the builtins, NaN, subnormals, the loop budget. Findings, not verdicts:
//! the kernels are written so that none of this matters.

use crate::exec::gpu::Context;
use crate::values::Result;
use serde_json::{Value, json};
use std::f64::consts::PI;

const BUILTINS: &str = include_str!("../../shaders/probe/builtins.wgsl");
const FUSED: &str = include_str!("../../shaders/probe/fused.wgsl");
const LOOPS: &str = include_str!("../../shaders/probe/loops.wgsl");

/// The override `OP` of the copy.
const COPY: f64 = 99.0;
/// Points of a sweep.
const POINTS: usize = 1 << 16;
/// Iterations that are asked for: more than llvmpipe makes.
const ITERATIONS: u32 = 100_000;

/// One thing that was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was asked.
    pub name: &'static str,
    /// The answer, for people.
    pub text: String,
    /// The answer, for programs.
    pub value: Value,
}

/// A builtin, where it is swept, and what WGSL allows there.
struct Builtin {
    name: &'static str,
    exact: fn(f64) -> f64,
    range: (f64, f64),
    /// Points are spread over the exponent and not over the value.
    logarithmic: bool,
    allowed: fn(f64) -> f64,
}

/// One unit in the last place of an f32 near `y`.
fn ulp(y: f64) -> f64 {
    let y = (y.abs() as f32).max(f32::MIN_POSITIVE);
    f64::from(f32::from_bits(y.to_bits() + 1)) - f64::from(y)
}

/// In the order of the override `OP`. The allowances are WGSL's ("Floating Point Accuracy"); tanh may also be as bad as
/// sinh / cosh, which has no plain bound.
static TABLE: [Builtin; 5] = [
    Builtin {
        name: "exp",
        exact: f64::exp,
        range: (-87.0, 88.0),
        logarithmic: false,
        allowed: |x| (3.0 + 2.0 * x.abs()) * ulp(x.exp()),
    },
    Builtin {
        name: "log",
        exact: f64::ln,
        range: (1e-30, 1e30),
        logarithmic: true,
        allowed: |x| if (0.5..=2.0).contains(&x) { 2f64.powi(-21) } else { 3.0 * ulp(x.ln()) },
    },
    Builtin { name: "tanh", exact: f64::tanh, range: (-100.0, 100.0), logarithmic: false, allowed: |_| 1e-5 },
    Builtin { name: "sin", exact: f64::sin, range: (-PI, PI), logarithmic: false, allowed: |_| 2f64.powi(-11) },
    Builtin { name: "cos", exact: f64::cos, range: (-PI, PI), logarithmic: false, allowed: |_| 2f64.powi(-11) },
];

impl Builtin {
    fn points(&self) -> Vec<f32> {
        let (low, high) = self.range;
        let at = |i: usize| {
            let t = i as f64 / (POINTS - 1) as f64;
            let x = if self.logarithmic { low * (high / low).powf(t) } else { low + (high - low) * t };
            (x as f32).clamp(low.next_up() as f32, high as f32)
        };
        (0..POINTS).map(at).collect()
    }

    fn sweep(&self, op: usize, gpu: &Context) -> Result<Finding> {
        let x = self.points();
        let y = builtin(gpu, op as f64, &x)?;
        let (mut worst, mut worst_error, mut at, mut lost) = (0.0, 0.0f64, 0.0, 0usize);
        for (&x, y) in x.iter().zip(y) {
            let (x, y) = (f64::from(x), f64::from(f32::from_bits(y)));
            if !y.is_finite() {
                lost += 1;
                continue;
            }
            let error = (y - (self.exact)(x)).abs();
            worst_error = worst_error.max(error);
            let fraction = error / (self.allowed)(x);
            if fraction > worst {
                (worst, at) = (fraction, x);
            }
        }
        let (low, high) = self.range;
        let range = if self.logarithmic { format!("[{low:e}, {high:e}]") } else { format!("[{low:.4}, {high:.4}]") };
        let mut text = format!("at worst {worst:.3} of what WGSL allows, at {at:.6}; on {range}");
        if lost > 0 {
            text += &format!("; NOT FINITE at {lost} of {POINTS} points");
        }
        let value = json!({ "range": [low, high], "worst_of_allowed": worst, "worst_at": at,
            "worst_absolute": worst_error, "not_finite": lost, "points": POINTS });
        Ok(Finding { name: self.name, text, value })
    }
}

/// y = f(x), as bits.
fn builtin(gpu: &Context, op: f64, x: &[f32]) -> Result<Vec<u32>> {
    gpu.probe(BUILTINS, &[("OP", op)], bytemuck::cast_slice(x), x.len(), x.len().div_ceil(64) as u32)
}

/// Asks an adapter about itself.
pub fn self_test(gpu: &Context) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (op, b) in TABLE.iter().enumerate() {
        found.push(b.sweep(op, gpu)?);
    }
    found.push(copies(gpu)?);
    found.extend(arithmetic(gpu)?);
    let made = gpu.probe(LOOPS, &[], &[ITERATIONS, 1, 1], 1, 1)?[0];
    let text = if made == ITERATIONS {
        format!("{made} iterations of {ITERATIONS}: none")
    } else {
        format!("{made} iterations of {ITERATIONS}: longer loops end in silence (no kernel has one)")
    };
    found.push(Finding { name: "loop budget", text, value: json!({ "asked": ITERATIONS, "made": made }) });
    let (low, high) = (gpu.info.subgroup_min_size, gpu.info.subgroup_max_size);
    found.push(Finding { name: "subgroups", text: format!("{low} to {high}"), value: json!([low, high]) });
    let l = &gpu.limits;
    let text = format!(
        "binding {} MiB, buffer {} MiB, {} storage buffers, workgroup {} invocations and {} KiB, {} workgroups",
        l.max_storage_buffer_binding_size >> 20,
        l.max_buffer_size >> 20,
        l.max_storage_buffers_per_shader_stage,
        l.max_compute_invocations_per_workgroup,
        l.max_compute_workgroup_storage_size >> 10,
        l.max_compute_workgroups_per_dimension,
    );
    let value = json!({ "binding_bytes": l.max_storage_buffer_binding_size, "buffer_bytes": l.max_buffer_size,
        "storage_buffers": l.max_storage_buffers_per_shader_stage,
        "workgroup_invocations": l.max_compute_invocations_per_workgroup,
        "workgroup_bytes": l.max_compute_workgroup_storage_size,
        "workgroups": l.max_compute_workgroups_per_dimension });
    found.push(Finding { name: "limits", text, value });
    let (text, period) = if gpu.timestamps {
        let period = f64::from(gpu.queue.get_timestamp_period());
        (format!("yes, {period} ns a tick"), json!(period))
    } else {
        ("no".into(), Value::Null)
    };
    found.push(Finding { name: "timestamps", text, value: json!({ "ns_a_tick": period }) });
    Ok(found)
}

/// Whether f32 that are not finite keep their bits when a shader copies them.
fn copies(gpu: &Context) -> Result<Finding> {
    let bits = [0x7fc0_0000, 0x7fc0_0bad, 0xffc0_0000, 0x7f80_0001, 0x7f80_0000, 0xff80_0000, 0x8000_0000u32];
    let x: Vec<f32> = bits.map(f32::from_bits).to_vec();
    let y = builtin(gpu, COPY, &x)?;
    let changed: Vec<String> =
        bits.iter().zip(&y).filter(|(a, b)| a != b).map(|(a, b)| format!("{a:#010x} to {b:#010x}")).collect();
    let text =
        if changed.is_empty() { "kept by a copy".into() } else { format!("CHANGED by a copy: {}", changed.join(", ")) };
    Ok(Finding { name: "NaN bits", text, value: json!({ "changed": changed }) })
}

/// fma, contraction, subnormals.
fn arithmetic(gpu: &Context) -> Result<Vec<Finding>> {
    // a² = 1 + 2⁻¹¹ + 2⁻²⁴, whose last term f32 drops: only one rounding, at the end, keeps it.
    let a = 1.0 + 2f32.powi(-12);
    let x = [a, a, -(1.0 + 2f32.powi(-11)), f32::MIN_POSITIVE];
    let y = gpu.probe(FUSED, &[], bytemuck::cast_slice(&x), 3, 1)?;
    let finding =
        |name, yes: bool, texts: [&str; 2]| Finding { name, text: texts[usize::from(yes)].into(), value: json!(yes) };
    Ok(vec![
        finding("fma", y[0] != 0, ["two roundings", "fused"]),
        finding("a b + c", y[1] != 0, ["two roundings", "contracted to a fused fma"]),
        finding("subnormals", y[2] != 0, ["flushed to 0", "kept"]),
    ])
}

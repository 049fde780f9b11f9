// y_i = value, or scalar number index of the step; y: [n].
#import index
#import step

override OP: u32;
override WG: u32 = 64u;
const CONST = 0u;
const SCALAR = 1u;

struct Params {
  n: u32,
  value: f32,
  index: u32,
}

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<uniform> p: Params;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n { return; }
  y[i] = select(p.value, step.scalars[p.index / 4u][p.index % 4u], OP == SCALAR);
}

// table[row, j] = x[j · stride] for the step's row; table: [rows, k]. The other rows stay.
#import index
#import step

override WG: u32 = 64u;

struct Params {
  rows: u32,
  k: u32,
  stride: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> table: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let j = flat_index(w, groups, l, WG);
  if j >= p.k || step.row >= p.rows { return; }
  table[step.row * p.k + j] = x[j * p.stride];
}

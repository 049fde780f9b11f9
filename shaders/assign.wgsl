// state ← value, element by element, unless flag[0] is set; value, state: [n].
#import index

override WG: u32 = 64u;

struct Params {
  n: u32,
}

@group(0) @binding(0) var<storage, read> value: array<f32>;
@group(0) @binding(1) var<storage, read> flag: array<u32>;
@group(0) @binding(2) var<storage, read_write> state: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n || flag[0] != 0u { return; }
  state[i] = value[i];
}

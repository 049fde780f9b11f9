// y = x as binary16, two to a word, 0 behind the last of an odd number; x: [n], y: [ceil(n / 2)] words.
#import half
#import index

override WG: u32 = 64u;

struct Params {
  n: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let q = flat_index(w, groups, l, WG);
  if 2u * q >= p.n { return; }
  var second = 0.0;
  if 2u * q + 1u < p.n { second = x[2u * q + 1u]; }
  y[q] = halves(x[2u * q], second);
}

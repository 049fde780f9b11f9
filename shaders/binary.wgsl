// y_i = f(a_⌊i/da⌋ mod ma, b_⌊i/db⌋ mod mb); y: [n]. Full operands (div 1, mod n), scalars (mod 1), rows repeated
// (div 1, mod m) and elements repeated (div m) are one formula. Gradients of relu, sigmoid and tanh: b is their output.
#import index
#import elementwise

override OP: u32;
override WG: u32 = 64u;

struct Params {
  n: u32,
  a_div: u32,
  a_mod: u32,
  b_div: u32,
  b_mod: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n { return; }
  y[i] = binary_(OP, a[(i / p.a_div) % p.a_mod], b[(i / p.b_div) % p.b_mod]);
}

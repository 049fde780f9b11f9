// z_i = μ_(i mod m) + e^(lv_(i mod m) / 2) · ε_i; μ, lv: [m], ε, z: [n]: several samples (rows of m) share μ and lv.
#import index

override WG: u32 = 64u;

struct Params {
  n: u32,
  m: u32,
}

@group(0) @binding(0) var<storage, read> mu: array<f32>;
@group(0) @binding(1) var<storage, read> lv: array<f32>;
@group(0) @binding(2) var<storage, read> eps: array<f32>;
@group(0) @binding(3) var<storage, read_write> z: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n { return; }
  let j = i % p.m;
  z[i] = mu[j] + exp(0.5 * lv[j]) * eps[i];
}

// KL(N(μ, e^lv) ‖ N(0, 1)) = ½(μ² + e^lv − lv − 1), element by element; μ, lv, y: [n].
#import index

override WG: u32 = 64u;

struct Params {
  n: u32,
}

@group(0) @binding(0) var<storage, read> mu: array<f32>;
@group(0) @binding(1) var<storage, read> lv: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n { return; }
  y[i] = 0.5 * (mu[i] * mu[i] + exp(lv[i]) - lv[i] - 1.0);
}

// u ← momentum · u + g;  θ ← θ − α u; g, θ, u: [n]. α is a scalar of the step. Nothing changes where flag[0] is set.
#import index
#import step

override WG: u32 = 64u;

struct Params {
  n: u32,
  momentum: f32,
  lr: u32,
}

@group(0) @binding(0) var<storage, read> g: array<f32>;
@group(0) @binding(1) var<storage, read> flag: array<u32>;
@group(0) @binding(2) var<storage, read_write> theta: array<f32>;
@group(0) @binding(3) var<storage, read_write> u: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n || flag[0] != 0u { return; }
  let u1 = p.momentum * u[i] + g[i];
  u[i] = u1;
  theta[i] = theta[i] - step.scalars[p.lr / 4u][p.lr % 4u] * u1;
}

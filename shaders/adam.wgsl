// m ← β1 m + (1 − β1) g;  v ← β2 v + (1 − β2) g²;  θ ← θ − α · (m c1) / (√(v c2) + ε); g, θ, m, v: [n]. α and the bias
// corrections c1 = 1/(1 − β1^t), c2 = 1/(1 − β2^t) are scalars of the step. Nothing changes where flag[0] is set. Four
// elements an invocation: n is divisible by 4, as buckets are.
#import index
#import step

override WG: u32 = 64u;

struct Params {
  n: u32,
  beta1: f32,
  beta2: f32,
  eps: f32,
  lr: u32,
  c1: u32,
  c2: u32,
}

@group(0) @binding(0) var<storage, read> g: array<vec4f>;
@group(0) @binding(1) var<storage, read> flag: array<u32>;
@group(0) @binding(2) var<storage, read_write> theta: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(5) var<uniform> p: Params;
@group(0) @binding(6) var<uniform> step: Step;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if 4u * i >= p.n || flag[0] != 0u { return; }
  let lr = step.scalars[p.lr / 4u][p.lr % 4u];
  let c1 = step.scalars[p.c1 / 4u][p.c1 % 4u];
  let c2 = step.scalars[p.c2 / 4u][p.c2 % 4u];
  let m1 = p.beta1 * m[i] + (1.0 - p.beta1) * g[i];
  let v1 = p.beta2 * v[i] + (1.0 - p.beta2) * (g[i] * g[i]);
  m[i] = m1;
  v[i] = v1;
  theta[i] = theta[i] - lr * ((m1 * c1) / (sqrt(v1 * c2) + p.eps));
}

// Binary cross-entropy from logits: y = −x ln σ(a) − (1 − x) ln(1 − σ(a)) = max(a, 0) − a x + ln(1 + e^−|a|), or its
// gradient y = (σ(a) − x)·scale; a, x, y: [n].
#import index
#import numerics

override OP: u32;
override WG: u32 = 64u;
const LOSS = 0u;
const GRAD = 1u;

struct Params {
  n: u32,
  scale: f32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

fn f(u: f32, v: f32) -> f32 {
  switch OP {
    case LOSS { return select(u, 0.0, u < 0.0) - u * v + log1p_(exp(-abs(u))); }
    case GRAD { return (sigmoid_(u) - v) * p.scale; }
    default { return u; }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n { return; }
  y[i] = f(a[i], x[i]);
}

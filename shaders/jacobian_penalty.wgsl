// y[b] = Σ_j f′(a_bj)² r_j, the squared Frobenius norm of the Jacobian of h = f(Wx + b); h: [n, d], r: [d], r_j = ‖W_j‖²,
// y: [n]. f′ is written in h.
//
// One workgroup a row: each invocation sums every WG-th unit, then the first one their sums.
#import index

override ACT: u32;
override WG: u32 = 64u;
const RELU = 1u;
const SIGMOID = 2u;
const TANH = 3u;

struct Params {
  n: u32,
  d: u32,
}

@group(0) @binding(0) var<storage, read> h: array<f32>;
@group(0) @binding(1) var<storage, read> r: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

// What each invocation summed; a workgroup has 256 at most.
var<workgroup> parts: array<f32, 256>;

fn slope(h: f32) -> f32 {
  switch ACT {
    case RELU { return select(0.0, 1.0, h > 0.0); }
    case SIGMOID { return h * (1.0 - h); }
    case TANH { return 1.0 - h * h; }
    default { return 1.0; }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let b = flat_group(w, groups);
  if b >= p.n { return; }
  var s = 0.0;
  for (var j = l; j < p.d; j += WG) {
    let v = slope(h[b * p.d + j]);
    s += v * v * r[j];
  }
  parts[l] = s;
  // Every part is there before any is read.
  workgroupBarrier();
  if l > 0u { return; }
  for (var i = 1u; i < WG; i++) {
    s += parts[i];
  }
  y[b] = s;
}

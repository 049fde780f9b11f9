// GATHER: y[s, b, :] = x[b, t[s, b], :].  SCATTER, its adjoint: x[b, u, :] = the sum over s of y[s, b, :] where t[s, b] = u.
// x: [n, time, d]; y: [samples, n, d]; t: [samples, n], whole numbers below `time`.
#import index

override OP: u32;
override WG: u32 = 64u;
const GATHER = 0u;

struct Params {
  samples: u32,
  n: u32,
  time: u32,
  d: u32,
}

@group(0) @binding(0) var<storage, read> from_: array<f32>;
@group(0) @binding(1) var<storage, read> t: array<f32>;
@group(0) @binding(2) var<storage, read_write> to: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let q = flat_index(w, groups, l, WG);
  let row = q / p.d;
  let j = q % p.d;
  if OP == GATHER {
    if row >= p.samples * p.n { return; }
    // A time that is none is the last one.
    let at = min(u32(t[row]), p.time - 1u);
    to[q] = from_[((row % p.n) * p.time + at) * p.d + j];
    return;
  }
  if row >= p.n * p.time { return; }
  let b = row / p.time;
  let time = row % p.time;
  var sum = 0.0;
  for (var s = 0u; s < p.samples; s++) {
    let at = min(u32(t[s * p.n + b]), p.time - 1u);
    if at == time { sum += from_[(s * p.n + b) * p.d + j]; }
  }
  to[q] = sum;
}

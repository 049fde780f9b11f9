// x with L x = b, or with Lᵀ x = b where OP is TRANSPOSED; L: [q, d, d], of which only the lower triangle is read;
// b, x: [q, d, m], n = q m columns.
//
// One invocation a column: forward from the first row, or backward from the last.
#import index

override OP: u32;
override WG: u32 = 64u;
const TRANSPOSED = 1u;

struct Params {
  n: u32,
  d: u32,
  m: u32,
}

@group(0) @binding(0) var<storage, read> lower: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

// The row that is solved at turn t.
fn row(t: u32) -> u32 {
  if OP == TRANSPOSED { return p.d - 1u - t; }
  return t;
}

// How far the coefficient of unknown k in equation r lies from the begin of L: that of L, or of its transpose.
fn entry(r: u32, k: u32) -> u32 {
  if OP == TRANSPOSED { return k * p.d + r; }
  return r * p.d + k;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n { return; }
  let matrix = i / p.m * p.d * p.d;
  let column = i / p.m * p.d * p.m + i % p.m;
  for (var t = 0u; t < p.d; t++) {
    let r = row(t);
    // What is known is read back from where this invocation wrote it.
    var known = 0.0;
    for (var u = 0u; u < t; u++) {
      let k = row(u);
      known += lower[matrix + entry(r, k)] * x[column + k * p.m];
    }
    x[column + r * p.m] = (b[column + r * p.m] - known) / lower[matrix + entry(r, r)];
  }
}

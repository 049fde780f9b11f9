// y[r] = the first j whose x[r, j] is the largest of row r, as a number; x: [n, d], y: [n]. -0 is 0, and NaN is above every
// number. One row an invocation.
#import index
#import numerics

override WG: u32 = 64u;

struct Params {
  n: u32,
  d: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let r = flat_index(w, groups, l, WG);
  if r >= p.n { return; }
  let row = r * p.d;
  var best = x[row];
  var at = 0u;
  for (var j = 1u; j < p.d; j++) {
    let v = x[row + j];
    // The first NaN stays; by its bits, for a comparison with it may be turned around.
    if !is_nan(best) && (is_nan(v) || v > best) {
      best = v;
      at = j;
    }
  }
  y[r] = f32(at);
}

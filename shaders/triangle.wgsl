// y_ij = x_ij below the diagonal, s x_ii on it, 0 above; x, y: [n / d^2, d, d]. What stands above is dropped, NaN too.
#import index

override WG: u32 = 64u;

struct Params {
  n: u32,
  d: u32,
  scale: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n { return; }
  let row = i / p.d % p.d;
  let col = i % p.d;
  let lower = select(x[i], p.scale * x[i], col == row);
  y[i] = select(lower, 0.0, col > row);
}

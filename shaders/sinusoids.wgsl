// y[i, 2k] = sin(2 pi t[i] / P_k), y[i, 2k + 1] = cos(2 pi t[i] / P_k), P_k = 4, 8, 16, …; t: [n], whole numbers; y: [n, 2 periods].
#import index
#import numerics

override WG: u32 = 64u;

struct Params {
  n: u32,
  periods: u32,
}

@group(0) @binding(0) var<storage, read> t: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let q = flat_index(w, groups, l, WG);
  if q >= p.n * p.periods { return; }
  let period = 4u << (q % p.periods);
  // Exact: the place within a period, a power of two.
  let v = sin_cos_turns(f32(u32(t[q / p.periods]) & (period - 1u)) / f32(period));
  y[2u * q] = v.x;
  y[2u * q + 1u] = v.y;
}

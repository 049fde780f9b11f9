// y_i = x[offset + Σ c_k s_k] where lo_k ≤ c_k < hi_k for every k, else 0; c: the row-major coordinates of i in
// [d0, d1, d2, d3, d4]. Slice, permute, broadcast (stride 0), flip and pad by gathering; sums wrap modulo 2³².
#import index

override WG: u32 = 64u;

struct Params {
  n: u32,
  d0: u32,
  d1: u32,
  d2: u32,
  d3: u32,
  d4: u32,
  s0: u32,
  s1: u32,
  s2: u32,
  s3: u32,
  s4: u32,
  offset: u32,
  lo0: u32,
  lo1: u32,
  lo2: u32,
  lo3: u32,
  lo4: u32,
  hi0: u32,
  hi1: u32,
  hi2: u32,
  hi3: u32,
  hi4: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

fn within(c: u32, lo: u32, hi: u32) -> bool {
  return c >= lo && c < hi;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n { return; }
  let c4 = i % p.d4;
  let i3 = i / p.d4;
  let c3 = i3 % p.d3;
  let i2 = i3 / p.d3;
  let c2 = i2 % p.d2;
  let i1 = i2 / p.d2;
  let c1 = i1 % p.d1;
  let c0 = i1 / p.d1;
  var v = 0.0;
  if within(c0, p.lo0, p.hi0) && within(c1, p.lo1, p.hi1) && within(c2, p.lo2, p.hi2) && within(c3, p.lo3, p.hi3) && within(c4, p.lo4, p.hi4) {
    v = x[p.offset + c0 * p.s0 + c1 * p.s1 + c2 * p.s2 + c3 * p.s3 + c4 * p.s4];
  }
  y[i] = v;
}

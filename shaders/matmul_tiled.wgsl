// y[b] = act(op(A[b]) op(B[b]) + bias + c[b]) slope'(h[b]) as matmul_vec4 computes it, any sizes, all four forms; for devices
// whose workgroups share fast memory. A workgroup computes a tile of 4 SIDE × 4 SIDE.
#import epilogue
#import index
#import tiles

override TA: u32;
override TB: u32;
// Without BIAS, ADD or SLOPE the binding of bias, c or h holds any buffer, unread.
override BIAS: u32;
override ACT: u32;
override ADD: u32;
override SLOPE: u32;
override SIDE: u32 = 16u;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  batch: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> c: array<f32>;
@group(0) @binding(4) var<storage, read> h: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<uniform> p: Params;

// op(A) at (i, k), 0 outside.
fn of_a(first: u32, i: u32, k: u32) -> f32 {
  if i >= p.m || k >= p.k { return 0.0; }
  return a[first + select(i * p.k + k, k * p.m + i, TA != 0u)];
}

// op(B) at (k, j), 0 outside.
fn of_b(first: u32, k: u32, j: u32) -> f32 {
  if j >= p.n || k >= p.k { return 0.0; }
  return b[first + select(k * p.n + j, j * p.k + k, TB != 0u)];
}

fn rows(first: u32, i: u32, k: u32) -> vec4f {
  return vec4f(of_a(first, i, k), of_a(first, i + 1u, k), of_a(first, i + 2u, k), of_a(first, i + 3u, k));
}

fn columns(first: u32, k: u32, j: u32) -> vec4f {
  return vec4f(of_b(first, k, j), of_b(first, k, j + 1u), of_b(first, k, j + 2u), of_b(first, k, j + 3u));
}

fn put(first: u32, i: u32, j: u32, sum: f32) {
  if i >= p.m || j >= p.n { return; }
  var v = sum;
  let at = first + i * p.n + j;
  if BIAS != 0u { v += bias[j]; }
  if ADD != 0u { v += c[at]; }
  v = activated(ACT, v);
  if SLOPE != NONE { v = sloped(SLOPE, v, h[at]); }
  y[at] = v;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let across = (p.n + 4u * SIDE - 1u) / (4u * SIDE);
  let down = (p.m + 4u * SIDE - 1u) / (4u * SIDE);
  let g = flat_group(w, groups);
  let z = g / (across * down);
  if z >= p.batch { return; }
  let i0 = (g / across) % down * 4u * SIDE;
  let j0 = g % across * 4u * SIDE;
  // What an invocation brings: neighbours along what lies together, the terms or the rows or the columns.
  let terms = 256u / SIDE;
  let ka = select(l % terms, l / SIDE, TA != 0u);
  let kb = select(l / SIDE, l % terms, TB != 0u);
  let ra = select(l / terms, l % SIDE, TA != 0u);
  let cb = select(l % SIDE, l / terms, TB != 0u);
  let fa = z * (p.m * p.k);
  let fb = z * (p.k * p.n);
  var sums = mat4x4f();
  // Those of the next round are under way while one is multiplied.
  var next_a = rows(fa, i0 + 4u * ra, ka);
  var next_b = columns(fb, kb, j0 + 4u * cb);
  for (var k = 0u; k < p.k; k += terms) {
    tiles[kept(SIDE, ka, ra)] = next_a;
    tiles[COLUMNS + kept(SIDE, kb, cb)] = next_b;
    workgroupBarrier();
    next_a = rows(fa, i0 + 4u * ra, k + terms + ka);
    next_b = columns(fb, k + terms + kb, j0 + 4u * cb);
    sums = multiplied(SIDE, l, sums);
    workgroupBarrier();
  }
  spread(SIDE, l, sums);
  workgroupBarrier();
  let fy = z * (p.m * p.n);
  for (var e = l; e < 4u * SIDE * SIDE; e += 256u) {
    let four = joined(SIDE, e);
    let i = i0 + e / SIDE;
    let j = j0 + e % SIDE * 4u;
    put(fy, i, j, four.x);
    put(fy, i, j + 1u, four.y);
    put(fy, i, j + 2u, four.z);
    put(fy, i, j + 3u, four.w);
  }
}

// y[b] = act(op(A[b]) op(B[b]) + bias + c[b]) slope'(h[b]) as matmul_tiled computes it, any sizes, all four forms, where A, B, h
// and y may each stand in memory as binary16, two to a word; sums are formed in f32. With y of binary16 n must be even.
#import epilogue
#import half
#import index
#import tiles

override TA: u32;
override TB: u32;
// Without BIAS, ADD or SLOPE the binding of bias, c or h holds any buffer, unread.
override BIAS: u32;
override ACT: u32;
override ADD: u32;
override SLOPE: u32;
// What is binary16, a bit each; what is not is the words of f32.
override HALF: u32;
override SIDE: u32 = 16u;
const OF_A = 1u;
const OF_B = 2u;
const OF_H = 4u;
const OF_Y = 8u;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  batch: u32,
}

@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
@group(0) @binding(2) var<storage, read> bias: array<u32>;
@group(0) @binding(3) var<storage, read> c: array<u32>;
@group(0) @binding(4) var<storage, read> h: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<u32>;
@group(0) @binding(6) var<uniform> p: Params;

// op(A) at (i, k), 0 outside.
fn of_a(first: u32, i: u32, k: u32) -> f32 {
  if i >= p.m || k >= p.k { return 0.0; }
  let at = first + select(i * p.k + k, k * p.m + i, TA != 0u);
  if (HALF & OF_A) != 0u { return half_at(a[at / 2u], at); }
  return bitcast<f32>(a[at]);
}

// op(B) at (k, j), 0 outside.
fn of_b(first: u32, k: u32, j: u32) -> f32 {
  if j >= p.n || k >= p.k { return 0.0; }
  let at = first + select(k * p.n + j, j * p.k + k, TB != 0u);
  if (HALF & OF_B) != 0u { return half_at(b[at / 2u], at); }
  return bitcast<f32>(b[at]);
}

fn of_h(at: u32) -> f32 {
  if (HALF & OF_H) != 0u { return half_at(h[at / 2u], at); }
  return bitcast<f32>(h[at]);
}

fn rows(first: u32, i: u32, k: u32) -> vec4f {
  return vec4f(of_a(first, i, k), of_a(first, i + 1u, k), of_a(first, i + 2u, k), of_a(first, i + 3u, k));
}

fn columns(first: u32, k: u32, j: u32) -> vec4f {
  return vec4f(of_b(first, k, j), of_b(first, k, j + 1u), of_b(first, k, j + 2u), of_b(first, k, j + 3u));
}

// What is stored where the sum of row i and column j is `sum`.
fn finished(at: u32, j: u32, sum: f32) -> f32 {
  var v = sum;
  if BIAS != 0u { v += bitcast<f32>(bias[j]); }
  if ADD != 0u { v += bitcast<f32>(c[at]); }
  v = activated(ACT, v);
  if SLOPE != NONE { v = sloped(SLOPE, v, of_h(at)); }
  return v;
}

// Two neighbours of a row; of an even number of columns both are there or neither is.
fn put(first: u32, i: u32, j: u32, sums: vec2f) {
  if i >= p.m || j >= p.n { return; }
  let at = first + i * p.n + j;
  let v = finished(at, j, sums.x);
  if (HALF & OF_Y) != 0u {
    y[at / 2u] = halves(v, finished(at + 1u, j + 1u, sums.y));
    return;
  }
  y[at] = bitcast<u32>(v);
  if j + 1u < p.n { y[at + 1u] = bitcast<u32>(finished(at + 1u, j + 1u, sums.y)); }
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
    put(fy, i, j, four.xy);
    put(fy, i, j + 2u, four.zw);
  }
}

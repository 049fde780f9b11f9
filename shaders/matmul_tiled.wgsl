// y[b] = act(op(A[b]) op(B[b]) + bias + c[b]) slope'(h[b]) as matmul_vec4 computes it, any sizes, all four forms; for devices
// whose workgroups share fast memory. Sums are formed as there: of each four k together, then added up, so the choice
// between the two changes no order.
//
// A workgroup of 16 × 16 computes a tile of 64 × 64: it brings 64 × 16 of op(A) and 16 × 64 of op(B) into its memory, each
// number once, and each invocation multiplies 4 rows by 4 columns of these, 16 apart, so that neighbours read and write
// neighbours.
#import epilogue
#import index

override TA: u32;
override TB: u32;
// Without BIAS, ADD or SLOPE the binding of bias, c or h holds any buffer, unread.
override BIAS: u32;
override ACT: u32;
override ADD: u32;
override SLOPE: u32;
// Extent of the tile, and of k at a time.
const TILE = 64u;
const DEPTH = 16u;
// Numbers from one k to the next in memory: one more than the tile, so that invocations do not meet in a bank.
const STRIDE = 65u;

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

// [k][row] and [k][column].
var<workgroup> ta: array<f32, 1040>;
var<workgroup> tb: array<f32, 1040>;

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

// Four numbers of a row of the memory, 16 apart.
fn four_a(at: u32) -> vec4f {
  return vec4f(ta[at], ta[at + 16u], ta[at + 32u], ta[at + 48u]);
}

fn four_b(at: u32) -> vec4f {
  return vec4f(tb[at], tb[at + 16u], tb[at + 32u], tb[at + 48u]);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let across = (p.n + TILE - 1u) / TILE;
  let down = (p.m + TILE - 1u) / TILE;
  let g = flat_group(w, groups);
  let z = g / (across * down);
  if z >= p.batch { return; }
  let i0 = (g / across) % down * TILE;
  let j0 = g % across * TILE;
  let x = l % 16u;
  let r = l / 16u;
  let fa = z * (p.m * p.k);
  let fb = z * (p.k * p.n);
  // Column s: rows r, r + 16, … of the tile at its column x + 16 s.
  var sums = mat4x4f();
  for (var k0 = 0u; k0 < p.k; k0 += DEPTH) {
    for (var t = 0u; t < 4u; t++) {
      let e = l + 256u * t;
      // Along what lies together: k where rows are, the row where they are transposed.
      let ka = select(e % DEPTH, e / TILE, TA != 0u);
      let ra = select(e / DEPTH, e % TILE, TA != 0u);
      ta[ka * STRIDE + ra] = of_a(fa, i0 + ra, k0 + ka);
      let kb = select(e / TILE, e % DEPTH, TB != 0u);
      let cb = select(e % TILE, e / DEPTH, TB != 0u);
      tb[kb * STRIDE + cb] = of_b(fb, k0 + kb, j0 + cb);
    }
    workgroupBarrier();
    for (var q = 0u; q < DEPTH; q += 4u) {
      let at = q * STRIDE;
      let rows = mat4x4f(four_a(at + r), four_a(at + STRIDE + r), four_a(at + 2u * STRIDE + r), four_a(at + 3u * STRIDE + r));
      let columns = transpose(mat4x4f(four_b(at + x), four_b(at + STRIDE + x), four_b(at + 2u * STRIDE + x), four_b(at + 3u * STRIDE + x)));
      sums += rows * columns;
    }
    workgroupBarrier();
  }
  let fy = z * (p.m * p.n);
  for (var s = 0u; s < 4u; s++) {
    for (var t = 0u; t < 4u; t++) {
      put(fy, i0 + r + 16u * t, j0 + x + 16u * s, sums[s][t]);
    }
  }
}

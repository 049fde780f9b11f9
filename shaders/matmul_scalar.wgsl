// y[b] = act(op(A[b]) op(B[b]) + bias), b < batch; y: [m, n]; op(A): [m, k], stored [k, m] if TA; op(B): [k, n], stored
// [n, k] if TB; bias: [n]. Any sizes; where they allow it, matmul_vec4 is faster.
#import index
#import numerics

override TA: u32;
override TB: u32;
// With BIAS = 0 the binding holds any buffer, unread.
override BIAS: u32;
override ACT: u32;
override WGX: u32 = 8u;
override WGY: u32 = 4u;
const RELU = 1u;
const SIGMOID = 2u;
const TANH = 3u;
// What one invocation computes: 16 rows, and 5 times 4 columns, which lie 4 WGX apart.
const ROWS = 16u;
const COLS = 5u;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  batch: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;

// Where rows i … i+3 of op(A) begin. Past the edge the last one stands in: computed, never stored.
fn row_starts(first: u32, i: u32) -> vec4u {
  return first + min(i + vec4u(0u, 1u, 2u, 3u), vec4u(p.m - 1u)) * select(p.k, 1u, TA != 0u);
}

// Those rows at k; past the last k zeros, in both operands, as 0 · NaN is NaN.
fn row(at: vec4u, k: u32) -> vec4f {
  let s = at + min(k, p.k - 1u) * select(1u, p.m, TA != 0u);
  return select(vec4f(), vec4f(a[s.x], a[s.y], a[s.z], a[s.w]), k < p.k);
}

// Columns: those rows at k … k+3.
fn rows(at: vec4u, k: u32) -> mat4x4f {
  return transpose(mat4x4f(row(at, k), row(at, k + 1u), row(at, k + 2u), row(at, k + 3u)));
}

// Where columns 4j … 4j+3 of op(B) begin.
fn col_starts(first: u32, j: u32) -> vec4u {
  return first + min(4u * j + vec4u(0u, 1u, 2u, 3u), vec4u(p.n - 1u)) * select(1u, p.k, TB != 0u);
}

// Those columns at k; past the last k zeros.
fn col(at: vec4u, k: u32) -> vec4f {
  let s = at + min(k, p.k - 1u) * select(p.n, 1u, TB != 0u);
  return select(vec4f(), vec4f(b[s.x], b[s.y], b[s.z], b[s.w]), k < p.k);
}

// Columns: op(B) at k … k+3, those columns.
fn cols(at: vec4u, k: u32) -> mat4x4f {
  return mat4x4f(col(at, k), col(at, k + 1u), col(at, k + 2u), col(at, k + 3u));
}

// bias of columns 4j … 4j+3.
fn added(j: u32) -> vec4f {
  if BIAS == 0u { return vec4f(); }
  let s = min(4u * j + vec4u(0u, 1u, 2u, 3u), vec4u(p.n - 1u));
  return vec4f(bias[s.x], bias[s.y], bias[s.z], bias[s.w]);
}

fn put(first: u32, i: u32, j: u32, v: vec4f) {
  if i >= p.m { return; }
  // select, not max: max(NaN, 0) is 0 on some drivers.
  let x = select(v, vec4f(), (v < vec4f()) & vec4<bool>(ACT == RELU));
  let at = first + i * p.n + j;
  if j < p.n { y[at] = x.x; }
  if j + 1u < p.n { y[at + 1u] = x.y; }
  if j + 2u < p.n { y[at + 2u] = x.z; }
  if j + 3u < p.n { y[at + 3u] = x.w; }
}

fn store(first: u32, i: u32, j: u32, add: vec4f, sums: mat4x4f) {
  put(first, i, 4u * j, sums[0] + add);
  put(first, i + 1u, 4u * j, sums[1] + add);
  put(first, i + 2u, 4u * j, sums[2] + add);
  put(first, i + 3u, 4u * j, sums[3] + add);
}

@compute @workgroup_size(WGX * WGY)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let across = (p.n + 4u * COLS * WGX - 1u) / (4u * COLS * WGX);
  let down = (p.m + ROWS * WGY - 1u) / (ROWS * WGY);
  let g = flat_group(w, groups);
  let z = g / (across * down);
  if z >= p.batch { return; }
  let i = ((g / across) % down * WGY + l / WGX) * ROWS;
  let j = g % across * COLS * WGX + l % WGX;
  let fa = z * (p.m * p.k);
  let fb = z * (p.k * p.n);
  let fy = z * (p.m * p.n);
  var c00 = mat4x4f(); var c01 = mat4x4f(); var c02 = mat4x4f(); var c03 = mat4x4f(); var c04 = mat4x4f();
  var c10 = mat4x4f(); var c11 = mat4x4f(); var c12 = mat4x4f(); var c13 = mat4x4f(); var c14 = mat4x4f();
  var c20 = mat4x4f(); var c21 = mat4x4f(); var c22 = mat4x4f(); var c23 = mat4x4f(); var c24 = mat4x4f();
  var c30 = mat4x4f(); var c31 = mat4x4f(); var c32 = mat4x4f(); var c33 = mat4x4f(); var c34 = mat4x4f();
  let r0 = row_starts(fa, i);
  let r1 = row_starts(fa, i + 4u);
  let r2 = row_starts(fa, i + 8u);
  let r3 = row_starts(fa, i + 12u);
  let s0 = col_starts(fb, j);
  let s1 = col_starts(fb, j + WGX);
  let s2 = col_starts(fb, j + 2u * WGX);
  let s3 = col_starts(fb, j + 3u * WGX);
  let s4 = col_starts(fb, j + 4u * WGX);
  for (var k = 0u; k < p.k; k += 4u) {
    let b0 = cols(s0, k); let b1 = cols(s1, k); let b2 = cols(s2, k); let b3 = cols(s3, k); let b4 = cols(s4, k);
    let a0 = rows(r0, k);
    c00 += b0 * a0; c01 += b1 * a0; c02 += b2 * a0; c03 += b3 * a0; c04 += b4 * a0;
    let a1 = rows(r1, k);
    c10 += b0 * a1; c11 += b1 * a1; c12 += b2 * a1; c13 += b3 * a1; c14 += b4 * a1;
    let a2 = rows(r2, k);
    c20 += b0 * a2; c21 += b1 * a2; c22 += b2 * a2; c23 += b3 * a2; c24 += b4 * a2;
    let a3 = rows(r3, k);
    c30 += b0 * a3; c31 += b1 * a3; c32 += b2 * a3; c33 += b3 * a3; c34 += b4 * a3;
  }
  let d0 = added(j);
  store(fy, i, j, d0, c00); store(fy, i + 4u, j, d0, c10);
  store(fy, i + 8u, j, d0, c20); store(fy, i + 12u, j, d0, c30);
  let j1 = j + WGX;
  let d1 = added(j1);
  store(fy, i, j1, d1, c01); store(fy, i + 4u, j1, d1, c11);
  store(fy, i + 8u, j1, d1, c21); store(fy, i + 12u, j1, d1, c31);
  let j2 = j + 2u * WGX;
  let d2 = added(j2);
  store(fy, i, j2, d2, c02); store(fy, i + 4u, j2, d2, c12);
  store(fy, i + 8u, j2, d2, c22); store(fy, i + 12u, j2, d2, c32);
  let j3 = j + 3u * WGX;
  let d3 = added(j3);
  store(fy, i, j3, d3, c03); store(fy, i + 4u, j3, d3, c13);
  store(fy, i + 8u, j3, d3, c23); store(fy, i + 12u, j3, d3, c33);
  let j4 = j + 4u * WGX;
  let d4 = added(j4);
  store(fy, i, j4, d4, c04); store(fy, i + 4u, j4, d4, c14);
  store(fy, i + 8u, j4, d4, c24); store(fy, i + 12u, j4, d4, c34);
  // Costly activations run over the sums just stored, in a loop: inlined 320 times they would take seconds to compile.
  if ACT == SIGMOID || ACT == TANH {
    for (var t = 0u; t < ROWS * COLS * 4u; t++) {
      let r = i + t / (COLS * 4u);
      let c = 4u * (j + t / 4u % COLS * WGX) + t % 4u;
      if r < p.m && c < p.n {
        let at = fy + r * p.n + c;
        if ACT == SIGMOID { y[at] = sigmoid_(y[at]); } else { y[at] = tanh_(y[at]); }
      }
    }
  }
}

// y[b] = act(op(A[b]) op(B[b]) + bias + c[b]) slope'(h[b]), b < batch; y, c, h: [m, n]; op(A): [m, k], stored [k, m] if
// TA; op(B): [k, n], stored [n, k] if TB; bias: [n]; slope' in terms of h = slope(.). Any sizes; where they allow it,
// matmul_vec4 is faster.
#import epilogue
#import index

override TA: u32;
override TB: u32;
// Without BIAS, ADD or SLOPE the binding of bias, c or h holds any buffer, unread.
override BIAS: u32;
override ACT: u32;
override ADD: u32;
override SLOPE: u32;
override WGX: u32 = 8u;
override WGY: u32 = 4u;
// What one invocation computes: 8 rows, and twice 4 columns, which lie 4 WGX apart.
const ROWS = 8u;
const COLS = 2u;

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
  let x = select(v, vec4f(), (v < vec4f()) & vec4<bool>(ACT == RELU && ADD == 0u));
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
  var c00 = mat4x4f();
  var c01 = mat4x4f();
  var c10 = mat4x4f();
  var c11 = mat4x4f();
  let r0 = row_starts(fa, i);
  let r1 = row_starts(fa, i + 4u);
  let s0 = col_starts(fb, j);
  let s1 = col_starts(fb, j + WGX);
  for (var k = 0u; k < p.k; k += 4u) {
    let b0 = cols(s0, k);
    let b1 = cols(s1, k);
    let a0 = rows(r0, k);
    c00 += b0 * a0;
    c01 += b1 * a0;
    let a1 = rows(r1, k);
    c10 += b0 * a1;
    c11 += b1 * a1;
  }
  let d0 = added(j);
  store(fy, i, j, d0, c00);
  store(fy, i + 4u, j, d0, c10);
  let d1 = added(j + WGX);
  store(fy, i, j + WGX, d1, c01);
  store(fy, i + 4u, j + WGX, d1, c11);
  // What else there is runs over the sums just stored, in a loop: inlined 64 times it would take seconds to compile.
  if ADD != 0u || SLOPE != NONE || ACT == SIGMOID || ACT == TANH {
    for (var t = 0u; t < ROWS * COLS * 4u; t++) {
      let r = i + t / (COLS * 4u);
      let s = 4u * (j + t / 4u % COLS * WGX) + t % 4u;
      if r < p.m && s < p.n {
        let at = fy + r * p.n + s;
        var v = y[at];
        if ADD != 0u { v += c[at]; }
        v = activated(ACT, v);
        if SLOPE != NONE { v = sloped(SLOPE, v, h[at]); }
        y[at] = v;
      }
    }
  }
}

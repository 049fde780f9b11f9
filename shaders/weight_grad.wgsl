// dW = dY' X and db = sum_k dY[k], of a dense layer's weight and bias, one behind the other in y: dW: [m, n], zeros up to
// vec4 s, db: [m]; dY: [k, m]; X: [k, n]. Needs m % 4 = 0 and n % 4 = 0. The product is that of matmul_vec4, TN.
#import index

override WGX: u32 = 8u;
override WGY: u32 = 4u;
// What one invocation computes: 16 rows, and 5 times 4 columns, which lie WGX vec4 apart.
const ROWS = 16u;
const COLS = 5u;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  s: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<vec4f>;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: Params;

// v, or zeros past the last k. Both operands are masked, as 0 · NaN is NaN.
fn masked(v: vec4f, k: u32) -> vec4f {
  return select(vec4f(), v, k < p.k);
}

// Columns: rows i … i+3 of dY' at k = 4q … 4q+3.
fn rows(i: u32, q: u32) -> mat4x4f {
  let w = p.m / 4u;
  let k = 4u * q;
  let at = min(i / 4u, w - 1u);
  let last = p.k - 1u;
  return transpose(mat4x4f(dy[at + k * w], masked(dy[at + min(k + 1u, last) * w], k + 1u),
    masked(dy[at + min(k + 2u, last) * w], k + 2u), masked(dy[at + min(k + 3u, last) * w], k + 3u)));
}

// Columns: X at k = 4q … 4q+3, the four columns of vec4 j.
fn cols(j: u32, q: u32) -> mat4x4f {
  let w = p.n / 4u;
  let k = 4u * q;
  let at = min(j, w - 1u);
  let last = p.k - 1u;
  return mat4x4f(x[at + k * w], masked(x[at + min(k + 1u, last) * w], k + 1u),
    masked(x[at + min(k + 2u, last) * w], k + 2u), masked(x[at + min(k + 3u, last) * w], k + 3u));
}

fn put(i: u32, j: u32, v: vec4f) {
  if i >= p.m { return; }
  y[i * (p.n / 4u) + j] = v;
}

fn store(i: u32, j: u32, sums: mat4x4f) {
  if j >= p.n / 4u { return; }
  put(i, j, sums[0]);
  put(i + 1u, j, sums[1]);
  put(i + 2u, j, sums[2]);
  put(i + 3u, j, sums[3]);
}

@compute @workgroup_size(WGX * WGY)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let across = (p.n + 4u * COLS * WGX - 1u) / (4u * COLS * WGX);
  let down = (p.m + ROWS * WGY - 1u) / (ROWS * WGY);
  let g = flat_group(w, groups);
  if g >= across * down { return; }
  let i = (g / across * WGY + l / WGX) * ROWS;
  let j = g % across * COLS * WGX + l % WGX;
  var c00 = mat4x4f(); var c01 = mat4x4f(); var c02 = mat4x4f(); var c03 = mat4x4f(); var c04 = mat4x4f();
  var c10 = mat4x4f(); var c11 = mat4x4f(); var c12 = mat4x4f(); var c13 = mat4x4f(); var c14 = mat4x4f();
  var c20 = mat4x4f(); var c21 = mat4x4f(); var c22 = mat4x4f(); var c23 = mat4x4f(); var c24 = mat4x4f();
  var c30 = mat4x4f(); var c31 = mat4x4f(); var c32 = mat4x4f(); var c33 = mat4x4f(); var c34 = mat4x4f();
  let steps = (p.k + 3u) / 4u;
  for (var q = 0u; q < steps; q++) {
    let b0 = cols(j, q);
    let b1 = cols(j + WGX, q);
    let b2 = cols(j + 2u * WGX, q);
    let b3 = cols(j + 3u * WGX, q);
    let b4 = cols(j + 4u * WGX, q);
    let a0 = rows(i, q);
    c00 += b0 * a0; c01 += b1 * a0; c02 += b2 * a0; c03 += b3 * a0; c04 += b4 * a0;
    let a1 = rows(i + 4u, q);
    c10 += b0 * a1; c11 += b1 * a1; c12 += b2 * a1; c13 += b3 * a1; c14 += b4 * a1;
    let a2 = rows(i + 8u, q);
    c20 += b0 * a2; c21 += b1 * a2; c22 += b2 * a2; c23 += b3 * a2; c24 += b4 * a2;
    let a3 = rows(i + 12u, q);
    c30 += b0 * a3; c31 += b1 * a3; c32 += b2 * a3; c33 += b3 * a3; c34 += b4 * a3;
  }
  // Compilers take long over a store: here are those of four columns, to whose place come the next.
  for (var e = j; e < j + COLS * WGX; e += WGX) {
    store(i, e, c00); store(i + 4u, e, c10); store(i + 8u, e, c20); store(i + 12u, e, c30);
    c00 = c01; c10 = c11; c20 = c21; c30 = c31;
    c01 = c02; c11 = c12; c21 = c22; c31 = c32;
    c02 = c03; c12 = c13; c22 = c23; c32 = c33;
    c03 = c04; c13 = c14; c23 = c24; c33 = c34;
  }
  if g % across != 0u { return; }
  // The groups of the first column of tiles sum their rows of dY', each invocation some vec4 of them, and the first group
  // fills the gap.
  let four = p.m / 4u;
  for (var t = l; t < ROWS / 4u * WGY; t += WGX * WGY) {
    let r = g / across * WGY * (ROWS / 4u) + t;
    if r < four {
      var sum = vec4f();
      for (var k = 0u; k < p.k; k++) { sum += dy[r + k * four]; }
      y[p.s + r] = sum;
    }
  }
  if g > 0u { return; }
  for (var t = p.m * (p.n / 4u) + l; t < p.s; t += WGX * WGY) { y[t] = vec4f(); }
}

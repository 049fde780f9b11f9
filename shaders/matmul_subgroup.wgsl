enable subgroups;
// y[b] = act(op(A[b]) op(B[b]) + bias + c[b]) slope'(h[b]) as matmul_vec4 computes it, which says what the extents must be, for
// devices on which a load costs more than arithmetic (llvmpipe goes through the invocations of a subgroup for each): of four
// rows of op(A) each of four neighbours reads one, and tells the others.
#import epilogue
#import index

override TA: u32;
override TB: u32;
// Whether anything is done to the sums: what, the parameters say, for each set of overrides is a pipeline, which takes a second
// to compile where this kernel is of use.
override AFTER: u32;
// Invocations of a workgroup, side by side along n. One subgroup, or several: of each the first four are asked.
const LANES = 8u;
// What one invocation computes: 32 rows, and 5 times 4 columns, which lie LANES vec4 apart.
const ROWS = 32u;
const COLS = 5u;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  batch: u32,
  // Without bias, add or slope the binding of bias, c or h holds any buffer, unread.
  bias: u32,
  act: u32,
  add: u32,
  slope: u32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read> c: array<vec4f>;
@group(0) @binding(4) var<storage, read> h: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(6) var<uniform> p: Params;

// v, or zeros past the last k. Both operands are masked, as 0 · NaN is NaN.
fn masked(v: vec4f, k: u32) -> vec4f {
  return select(vec4f(), v, k < p.k);
}

// What one of four neighbours reads of rows i … i+3 of op(A) at k = 4q … 4q+3: a row, or where rows lie together, one k.
fn quarter(first: u32, i: u32, q: u32, lane: u32) -> vec4f {
  if TA != 0u {
    let k = 4u * q + lane;
    let w = p.m / 4u;
    return masked(a[first + min(i / 4u, w - 1u) + min(k, p.k - 1u) * w], k);
  }
  return a[first + min(i + lane, p.m - 1u) * (p.k / 4u) + q];
}

// Columns: rows i … i+3 of op(A) at k = 4q … 4q+3, which all invocations of a subgroup ask for at once.
fn rows(first: u32, i: u32, q: u32, lane: u32) -> mat4x4f {
  let v = quarter(first, i, q, lane);
  let four = mat4x4f(subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u));
  if TA != 0u { return transpose(four); }
  return four;
}

// Columns: op(B) at k = 4q … 4q+3, the four columns of vec4 j.
fn cols(first: u32, j: u32, q: u32) -> mat4x4f {
  let c = min(j, p.n / 4u - 1u);
  if TB != 0u {
    let w = p.k / 4u;
    let at = first + 4u * c * w + q;
    return transpose(mat4x4f(b[at], b[at + w], b[at + 2u * w], b[at + 3u * w]));
  }
  let w = p.n / 4u;
  let k = 4u * q;
  let at = first + c;
  if TA == 0u {
    return mat4x4f(b[at + k * w], b[at + (k + 1u) * w], b[at + (k + 2u) * w], b[at + (k + 3u) * w]);
  }
  let last = p.k - 1u;
  return mat4x4f(b[at + k * w], masked(b[at + min(k + 1u, last) * w], k + 1u),
    masked(b[at + min(k + 2u, last) * w], k + 2u), masked(b[at + min(k + 3u, last) * w], k + 3u));
}

fn put(first: u32, i: u32, j: u32, v: vec4f) {
  if i >= p.m { return; }
  y[first + i * (p.n / 4u) + j] = v;
}

fn store(first: u32, i: u32, j: u32, sums: mat4x4f) {
  if j >= p.n / 4u { return; }
  put(first, i, j, sums[0]);
  put(first, i + 1u, j, sums[1]);
  put(first, i + 2u, j, sums[2]);
  put(first, i + 3u, j, sums[3]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32, @builtin(subgroup_invocation_id) s: u32) {
  let across = (p.n + 4u * COLS * LANES - 1u) / (4u * COLS * LANES);
  let down = (p.m + ROWS - 1u) / ROWS;
  let g = flat_group(w, groups);
  let z = g / (across * down);
  if z >= p.batch { return; }
  let i = (g / across) % down * ROWS;
  let j = g % across * COLS * LANES + l;
  let lane = s % 4u;
  let fa = z * (p.m * p.k / 4u);
  let fb = z * (p.k * p.n / 4u);
  let fy = z * (p.m * p.n / 4u);
  var c00 = mat4x4f(); var c01 = mat4x4f(); var c02 = mat4x4f(); var c03 = mat4x4f(); var c04 = mat4x4f();
  var c10 = mat4x4f(); var c11 = mat4x4f(); var c12 = mat4x4f(); var c13 = mat4x4f(); var c14 = mat4x4f();
  var c20 = mat4x4f(); var c21 = mat4x4f(); var c22 = mat4x4f(); var c23 = mat4x4f(); var c24 = mat4x4f();
  var c30 = mat4x4f(); var c31 = mat4x4f(); var c32 = mat4x4f(); var c33 = mat4x4f(); var c34 = mat4x4f();
  var c40 = mat4x4f(); var c41 = mat4x4f(); var c42 = mat4x4f(); var c43 = mat4x4f(); var c44 = mat4x4f();
  var c50 = mat4x4f(); var c51 = mat4x4f(); var c52 = mat4x4f(); var c53 = mat4x4f(); var c54 = mat4x4f();
  var c60 = mat4x4f(); var c61 = mat4x4f(); var c62 = mat4x4f(); var c63 = mat4x4f(); var c64 = mat4x4f();
  var c70 = mat4x4f(); var c71 = mat4x4f(); var c72 = mat4x4f(); var c73 = mat4x4f(); var c74 = mat4x4f();
  let steps = (p.k + 3u) / 4u;
  for (var q = 0u; q < steps; q++) {
    let b0 = cols(fb, j, q);
    let b1 = cols(fb, j + LANES, q);
    let b2 = cols(fb, j + 2u * LANES, q);
    let b3 = cols(fb, j + 3u * LANES, q);
    let b4 = cols(fb, j + 4u * LANES, q);
    let a0 = rows(fa, i, q, lane);
    c00 += b0 * a0; c01 += b1 * a0; c02 += b2 * a0; c03 += b3 * a0; c04 += b4 * a0;
    let a1 = rows(fa, i + 4u, q, lane);
    c10 += b0 * a1; c11 += b1 * a1; c12 += b2 * a1; c13 += b3 * a1; c14 += b4 * a1;
    let a2 = rows(fa, i + 8u, q, lane);
    c20 += b0 * a2; c21 += b1 * a2; c22 += b2 * a2; c23 += b3 * a2; c24 += b4 * a2;
    let a3 = rows(fa, i + 12u, q, lane);
    c30 += b0 * a3; c31 += b1 * a3; c32 += b2 * a3; c33 += b3 * a3; c34 += b4 * a3;
    let a4 = rows(fa, i + 16u, q, lane);
    c40 += b0 * a4; c41 += b1 * a4; c42 += b2 * a4; c43 += b3 * a4; c44 += b4 * a4;
    let a5 = rows(fa, i + 20u, q, lane);
    c50 += b0 * a5; c51 += b1 * a5; c52 += b2 * a5; c53 += b3 * a5; c54 += b4 * a5;
    let a6 = rows(fa, i + 24u, q, lane);
    c60 += b0 * a6; c61 += b1 * a6; c62 += b2 * a6; c63 += b3 * a6; c64 += b4 * a6;
    let a7 = rows(fa, i + 28u, q, lane);
    c70 += b0 * a7; c71 += b1 * a7; c72 += b2 * a7; c73 += b3 * a7; c74 += b4 * a7;
  }
  // Compilers take long over a store: here are those of four columns, to whose place come the next.
  for (var e = j; e < j + COLS * LANES; e += LANES) {
    store(fy, i, e, c00); store(fy, i + 4u, e, c10); store(fy, i + 8u, e, c20); store(fy, i + 12u, e, c30);
    store(fy, i + 16u, e, c40); store(fy, i + 20u, e, c50); store(fy, i + 24u, e, c60); store(fy, i + 28u, e, c70);
    c00 = c01; c10 = c11; c20 = c21; c30 = c31; c40 = c41; c50 = c51; c60 = c61; c70 = c71;
    c01 = c02; c11 = c12; c21 = c22; c31 = c32; c41 = c42; c51 = c52; c61 = c62; c71 = c72;
    c02 = c03; c12 = c13; c22 = c23; c32 = c33; c42 = c43; c52 = c53; c62 = c63; c72 = c73;
    c03 = c04; c13 = c14; c23 = c24; c33 = c34; c43 = c44; c53 = c54; c63 = c64; c73 = c74;
  }
  // What else there is runs over the sums just stored, in a loop: inlined 160 times it would take seconds to compile.
  if AFTER != 0u {
    for (var t = 0u; t < ROWS * COLS; t++) {
      let r = i + t / COLS;
      let e = j + t % COLS * LANES;
      if r < p.m && e < p.n / 4u {
        let at = fy + r * (p.n / 4u) + e;
        var v = y[at];
        if p.bias != 0u { v += bias[e]; }
        if p.add != 0u { v += c[at]; }
        v = vec4f(activated(p.act, v.x), activated(p.act, v.y), activated(p.act, v.z), activated(p.act, v.w));
        if p.slope != NONE {
          let u = h[at];
          v = vec4f(sloped(p.slope, v.x, u.x), sloped(p.slope, v.y, u.y), sloped(p.slope, v.z, u.z), sloped(p.slope, v.w, u.w));
        }
        y[at] = v;
      }
    }
  }
}

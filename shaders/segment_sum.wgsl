// y[r, b, j, c] = Σ_i x[i, c] over the i of the r-th run of [0, N) with i mod books = b and index[i] = j: the rows of one
// code, added up. Of an index the whole part counts, and past the last code the last.
// x: [n, d], index: [n], y: [runs, books, k, d]; run and n are multiples of books.
//
// A code and sixteen columns are LANES invocations': each scans every LANES-th row of the run, and reads those that are the
// code's, in order.
#import index

override WG: u32 = 64u;
override LANES: u32 = 1u;

struct Params {
  n: u32,
  d: u32,
  k: u32,
  books: u32,
  run: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

// Four columns of row i from c on; those past the last are not written, and read the last.
fn four(i: u32, c: u32) -> vec4f {
  let last = p.d - 1u;
  let row = i * p.d;
  return vec4f(x[row + min(c, last)], x[row + min(c + 1u, last)], x[row + min(c + 2u, last)], x[row + min(c + 3u, last)]);
}

var<workgroup> parts: array<mat4x4f, 256>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let t = flat_group(w, groups) * (WG / LANES) + l / LANES;
  let lane = l % LANES;
  let blocks = (p.d + 15u) / 16u;
  let runs = (p.n + p.run - 1u) / p.run;
  let is = t < runs * p.books * p.k * blocks;
  let c = 16u * (t % blocks);
  let segment = t / blocks;
  let code = segment % p.k;
  let first = (segment / p.k / p.books) * p.run;
  let last = select(0u, min(first + p.run, p.n), is);
  var sum = mat4x4f();
  for (var i = first + (segment / p.k) % p.books + lane * p.books; i < last; i += LANES * p.books) {
    if min(u32(index[i]), p.k - 1u) == code {
      sum += mat4x4f(four(i, c), four(i, c + 4u), four(i, c + 8u), four(i, c + 12u));
    }
  }
  if LANES > 1u {
    parts[l] = sum;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
      workgroupBarrier();
      if lane < half { parts[l] += parts[l + half]; }
    }
    sum = parts[l];
  }
  if !is || lane > 0u { return; }
  for (var j = 0u; j < min(16u, p.d - c); j++) {
    y[segment * p.d + c + j] = sum[j / 4u][j % 4u];
  }
}

// y[i, c] = x[i mod books, index[i], c]: rows by their index, whose whole part counts, and past the last one the last.
// x: [books, k, d], index: [n], y: [n, d].
#import index

override WG: u32 = 64u;

struct Params {
  n: u32,
  d: u32,
  k: u32,
  books: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let t = flat_index(w, groups, l, WG);
  if t >= p.n * p.d { return; }
  let i = t / p.d;
  let row = (i % p.books) * p.k + min(u32(index[i]), p.k - 1u);
  y[t] = x[row * p.d + t % p.d];
}

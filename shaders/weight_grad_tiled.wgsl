// dW = dY' X and db = sum_k dY[k], of a dense layer's weight and bias, one behind the other in y, as weight_grad computes them,
// any sizes; for devices whose workgroups share fast memory. A workgroup computes a tile of 4 SIDE × 4 SIDE. db is the column
// behind the last of dW: that of an X of ones.
#import index
#import tiles

override SIDE: u32 = 16u;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  s: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

// dY' at (i, k), 0 outside.
fn of_dy(i: u32, k: u32) -> f32 {
  if i >= p.m || k >= p.k { return 0.0; }
  return dy[k * p.m + i];
}

// X at (k, j), then 1, then 0.
fn of_x(k: u32, j: u32) -> f32 {
  if j > p.n || k >= p.k { return 0.0; }
  if j == p.n { return 1.0; }
  return x[k * p.n + j];
}

fn rows(i: u32, k: u32) -> vec4f {
  return vec4f(of_dy(i, k), of_dy(i + 1u, k), of_dy(i + 2u, k), of_dy(i + 3u, k));
}

fn columns(k: u32, j: u32) -> vec4f {
  return vec4f(of_x(k, j), of_x(k, j + 1u), of_x(k, j + 2u), of_x(k, j + 3u));
}

fn put(i: u32, j: u32, sum: f32) {
  if i >= p.m || j > p.n { return; }
  y[select(i * p.n + j, 4u * p.s + i, j == p.n)] = sum;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let across = p.n / (4u * SIDE) + 1u;
  let down = (p.m + 4u * SIDE - 1u) / (4u * SIDE);
  let g = flat_group(w, groups);
  if g >= across * down { return; }
  let i0 = g / across * 4u * SIDE;
  let j0 = g % across * 4u * SIDE;
  let terms = 256u / SIDE;
  let kt = l / SIDE;
  let four = l % SIDE;
  var sums = mat4x4f();
  // Those of the next round are under way while one is multiplied.
  var next_a = rows(i0 + 4u * four, kt);
  var next_b = columns(kt, j0 + 4u * four);
  for (var k = 0u; k < p.k; k += terms) {
    tiles[kept(SIDE, kt, four)] = next_a;
    tiles[COLUMNS + kept(SIDE, kt, four)] = next_b;
    workgroupBarrier();
    next_a = rows(i0 + 4u * four, k + terms + kt);
    next_b = columns(k + terms + kt, j0 + 4u * four);
    sums = multiplied(SIDE, l, sums);
    workgroupBarrier();
  }
  spread(SIDE, l, sums);
  workgroupBarrier();
  for (var e = l; e < 4u * SIDE * SIDE; e += 256u) {
    let v = joined(SIDE, e);
    let i = i0 + e / SIDE;
    let j = j0 + e % SIDE * 4u;
    put(i, j, v.x);
    put(i, j + 1u, v.y);
    put(i, j + 2u, v.z);
    put(i, j + 3u, v.w);
  }
  if g > 0u { return; }
  for (var t = p.m * p.n + l; t < 4u * p.s; t += 256u) { y[t] = 0.0; }
}

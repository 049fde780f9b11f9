// L with A = L Lᵀ; A, L: [n, d, d], d at most 128. Only the lower triangle of A is read, and L is 0 above its diagonal;
// NaN from the first column on whose pivot is not above 0.
//
// One workgroup a matrix; row i belongs to invocation i mod WG, which alone reads and writes it. In y stands what is
// left of A after the columns that are done: a_ik - sum_j l_ij l_kj. Only its next column is shared.
#import index

override WG: u32 = 64u;

struct Params {
  n: u32,
  d: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

var<workgroup> column: array<f32, 128>;

// x where it is above 0, else NaN, which then spreads to all that is left.
fn positive(x: f32) -> f32 {
  return bitcast<f32>(select(0x7fc00000u, bitcast<u32>(x), x > 0.0));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let q = flat_group(w, groups);
  if q >= p.n { return; }
  let first = q * p.d * p.d;
  for (var i = l; i < p.d; i += WG) {
    let row = first + i * p.d;
    for (var k = 0u; k < p.d; k++) {
      y[row + k] = select(0.0, a[row + k], k <= i);
    }
  }
  for (var j = 0u; j < p.d; j++) {
    for (var i = l; i < p.d; i += WG) {
      column[i] = y[first + i * p.d + j];
    }
    // The column is whole before any of it is read.
    workgroupBarrier();
    let pivot = positive(column[j]);
    let root = sqrt(pivot);
    for (var i = l; i < p.d; i += WG) {
      if i >= j {
        let row = first + i * p.d;
        let f = column[i] / pivot;
        for (var k = j + 1u; k <= i; k++) {
          y[row + k] -= f * column[k];
        }
        y[row + j] = select(column[i] / root, root, i == j);
      }
    }
    // All of it was read before the next one overwrites it.
    workgroupBarrier();
  }
}

// The step's verdict and its row of the metrics: flag = 1 if any of counts is not 0, or a checked one of the columns x is
// infinite or NaN, else 0;  skipped ← skipped + flag;  table[row] = (x_0 … x_(k−1), flag), the other rows stay.
// counts: [n]; column j of x stands at j · stride and is checked where bit j of `checked` is set; table: [rows, k + 1].
// One workgroup, whose LANES invocations share the counts.
#import step

override LANES: u32 = 1u;

struct Params {
  n: u32,
  k: u32,
  stride: u32,
  rows: u32,
  checked: u32,
}

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> flag: array<u32>;
@group(0) @binding(3) var<storage, read_write> skipped: array<u32>;
@group(0) @binding(4) var<storage, read_write> table: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;
@group(0) @binding(6) var<uniform> step: Step;

var<workgroup> shared_any: atomic<u32>;

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) l: u32) {
  // or, not +: a sum could wrap to 0.
  var any = 0u;
  for (var i = l; i < p.n; i += LANES) {
    any |= counts[i];
  }
  if LANES > 1u {
    // It begins at 0.
    atomicOr(&shared_any, any);
    workgroupBarrier();
    any = atomicLoad(&shared_any);
    if l > 0u { return; }
  }
  for (var j = 0u; j < p.k; j++) {
    let v = x[j * p.stride];
    // By the bits: drivers fold x != x.
    let odd = (bitcast<u32>(v) & 0x7fffffffu) >= 0x7f800000u;
    any |= select(0u, 1u, odd && ((p.checked >> j) & 1u) != 0u);
    if step.row < p.rows { table[step.row * (p.k + 1u) + j] = v; }
  }
  let shut = select(0u, 1u, any != 0u);
  flag[0] = shut;
  skipped[0] = skipped[0] + shut;
  if step.row < p.rows { table[step.row * (p.k + 1u) + p.k] = f32(shut); }
}

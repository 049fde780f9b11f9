// flag = 1 if any of counts is not 0, else 0;  skipped ← skipped + flag;  report = flag, as a real for the metrics.
// counts: [n]; flag, skipped, report: [1]. One invocation.

struct Params {
  n: u32,
}

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read_write> flag: array<u32>;
@group(0) @binding(2) var<storage, read_write> skipped: array<u32>;
@group(0) @binding(3) var<storage, read_write> report: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;

@compute @workgroup_size(1)
fn main() {
  // or, not +: a sum could wrap to 0.
  var any = 0u;
  for (var i = 0u; i < p.n; i++) {
    any |= counts[i];
  }
  let shut = select(0u, 1u, any != 0u);
  flag[0] = shut;
  skipped[0] = skipped[0] + shut;
  report[0] = f32(shut);
}

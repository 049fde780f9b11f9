// counts_c = how many of x_i, i in [c·run, min(n, (c+1)·run)), are infinite or NaN, or (squares) have such a square;
// x: [n], counts: [⌈n / run⌉]. LANES neighbours share a run.
#import index

override WG: u32 = 64u;
override LANES: u32 = 1u;

struct Params {
  n: u32,
  run: u32,
  squares: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> counts: array<u32>;
@group(0) @binding(2) var<uniform> p: Params;

var<workgroup> parts: array<atomic<u32>, 256>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let c = flat_group(w, groups) * (WG / LANES) + l / LANES;
  let is = c < (p.n + p.run - 1u) / p.run;
  let last = select(0u, min(p.n, (c + 1u) * p.run), is);
  // By the bits: drivers fold x != x and may assume that nothing overflows. x² is finite below 2⁶⁴, and only there.
  let least = select(0x7f800000u, 0x5f800000u, p.squares != 0u);
  var count = 0u;
  for (var i = c * p.run + l % LANES; i < last; i += LANES) {
    count += select(0u, 1u, (bitcast<u32>(x[i]) & 0x7fffffffu) >= least);
  }
  if LANES > 1u {
    // They begin at 0. Whole numbers: in any order the same sum.
    atomicAdd(&parts[l / LANES], count);
    workgroupBarrier();
    count = atomicLoad(&parts[l / LANES]);
  }
  if is && l % LANES == 0u { counts[c] = count; }
}

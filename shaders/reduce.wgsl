// y[o, c, i] = scale · Σ_k x[o, k, i], or max_k, over k in [c·run, min(K, (c+1)·run)); x: [outer, K, inner],
// y: [outer, chunks, inner]. No run is empty: (chunks − 1)·run < K ≤ chunks·run. LANES neighbours share a run, each every
// LANES-th of its terms; one lane is a serial run.
#import index
#import numerics

override OP: u32;
override WG: u32 = 64u;
override LANES: u32 = 1u;
const SUM = 0u;
const MAX = 1u;

struct Params {
  outer: u32,
  k: u32,
  inner: u32,
  chunks: u32,
  run: u32,
  scale: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

fn join(s: f32, v: f32) -> f32 {
  switch OP {
    case SUM { return s + v; }
    // Where s is NaN the comparison is false and s stays.
    case MAX { return select(s, v, v > s || is_nan(v)); }
    default { return s; }
  }
}

var<workgroup> parts: array<f32, 256>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  // Neighbours read neighbours: the lanes of a run where its terms lie together, else those of other runs.
  let runs = WG / LANES;
  let o = select(l % runs, l / LANES, p.inner == 1u);
  let lane = select(l / runs, l % LANES, p.inner == 1u);
  let t = flat_group(w, groups) * runs + o;
  let is = t < p.outer * p.chunks * p.inner;
  let row = t / p.inner;
  let first = (row % p.chunks) * p.run;
  let last = select(first, min(first + p.run, p.k), is);
  var at = ((row / p.chunks) * p.k + first) * p.inner + t % p.inner;
  // The largest of a lane without terms is the first of all.
  var s = 0.0;
  if OP == MAX && is { s = x[at]; }
  at += lane * p.inner;
  if first + lane < last { s = x[at]; }
  for (var k = first + lane + LANES; k < last; k += LANES) {
    at += LANES * p.inner;
    s = join(s, x[at]);
  }
  if LANES > 1u {
    let place = lane * runs + o;
    parts[place] = s;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
      workgroupBarrier();
      if lane < half { parts[place] = join(parts[place], parts[place + half * runs]); }
    }
    s = parts[place];
  }
  if is && lane == 0u { y[t] = select(s, p.scale * s, OP == SUM); }
}

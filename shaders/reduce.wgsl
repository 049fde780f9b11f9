// y[o, c, i] = scale · Σ_k x[o, k, i], or max_k, over k in [c·run, min(K, (c+1)·run)); x: [outer, K, inner],
// y: [outer, chunks, inner]. One serial run an invocation; no run is empty: (chunks − 1)·run < K ≤ chunks·run.
#import index
#import numerics

override OP: u32;
override WG: u32 = 64u;
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

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let t = flat_index(w, groups, l, WG);
  if t >= p.outer * p.chunks * p.inner { return; }
  let row = t / p.inner;
  let first = (row % p.chunks) * p.run;
  let last = min(first + p.run, p.k);
  var at = ((row / p.chunks) * p.k + first) * p.inner + t % p.inner;
  var s = x[at];
  for (var k = first + 1u; k < last; k++) {
    at += p.inner;
    s = join(s, x[at]);
  }
  y[t] = select(s, p.scale * s, OP == SUM);
}

// mask[r, j] = 1 where x[r, j] is among the k largest of row r, at a tie the first ones, else 0; x, mask: [n, d]. Exactly
// min(k, d) ones a row; -0 is 0, and NaN is above every number.
//
// One workgroup a row. Radix select: the k-th largest key is found from its highest digit down, two bits at a time, by
// counting how many keys reach each candidate; no sort.
#import index
#import numerics
#import step

override OP: u32;
override WG: u32 = 64u;
const CONST = 0u;
const SCALAR = 1u;

struct Params {
  n: u32,
  d: u32,
  k: u32,
  index: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> mask: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;
@group(0) @binding(3) var<uniform> step: Step;

// What each invocation counted; a workgroup has 256 at most.
var<workgroup> counts: array<vec3u, 256>;

// An integer in the order of the reals, never 0.
fn key(v: f32) -> u32 {
  if is_nan(v) { return 0xffffffffu; }
  let bits = bitcast<u32>(v);
  if bits == 0x80000000u { return bits; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

// Which of the candidates x[row + i] reaches, as 0 and 1; past the row, none.
fn reaches(candidates: vec3u, row: u32, i: u32) -> vec3u {
  if i >= p.d { return vec3u(); }
  return select(vec3u(), vec3u(1u), vec3u(key(x[row + i])) >= candidates);
}

fn ones() -> u32 {
  var k = p.k;
  if OP == SCALAR {
    // Rounded: what is not whole after the addition is cut off.
    k = u32(clamp(step.scalars[p.index / 4u][p.index % 4u] + 0.5, 0.0, 1073741824.0));
  }
  return min(k, p.d);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let r = flat_group(w, groups);
  if r >= p.n { return; }
  let row = r * p.d;
  let k = ones();
  // The largest key that k or more of the row reach: the k-th largest.
  var least = 0u;
  for (var digit = 0u; digit < 16u; digit++) {
    let shift = 30u - 2u * digit;
    let candidates = vec3u(least) | (vec3u(1u, 2u, 3u) << vec3u(shift));
    var count = vec3u();
    for (var i = l; i < p.d; i += 4u * WG) {
      count += reaches(candidates, row, i) + reaches(candidates, row, i + WG);
      count += reaches(candidates, row, i + 2u * WG) + reaches(candidates, row, i + 3u * WG);
    }
    counts[l] = count;
    // Every count is there before any is read.
    workgroupBarrier();
    var total = vec3u();
    for (var j = 0u; j < WG; j++) {
      total += counts[j];
    }
    // Every count was read before the next digit overwrites it.
    workgroupBarrier();
    // What reaches a larger candidate reaches a smaller one: as many as are reached, so large is the digit.
    let reached = select(vec3u(), vec3u(1u), total >= vec3u(k));
    least |= (reached.x + reached.y + reached.z) << shift;
  }
  // What is above is taken whole; what ties is taken in order, each invocation over its own stretch of the row.
  let run = (p.d + WG - 1u) / WG;
  let first = min(l * run, p.d);
  let last = min(first + run, p.d);
  var above = 0u;
  var tied = 0u;
  for (var i = first; i < last; i++) {
    let v = key(x[row + i]);
    above += select(0u, 1u, v > least);
    tied += select(0u, 1u, v == least);
  }
  counts[l] = vec3u(above, tied, 0u);
  // Every count is there before any is read.
  workgroupBarrier();
  // Ones left for the ties of the row, and ties before this stretch.
  var left = k;
  var before = 0u;
  for (var j = 0u; j < WG; j++) {
    left -= counts[j].x;
    before += select(0u, counts[j].y, j < l);
  }
  for (var i = first; i < last; i++) {
    let v = key(x[row + i]);
    let tie = v == least;
    mask[row + i] = select(0.0, 1.0, v > least || (tie && before < left));
    before += select(0u, 1u, tie);
  }
}

// y[s, b] = (t1, t2), two times of a sequence: the jump t2 - t1 uniform in near_lo .. near_hi, or with the probability
// far / 2²⁴ in far_lo .. far_hi; t1 then uniform among those for which t2 < time. y: [samples, n, 2], whole numbers. With
// grow the longest of each are at first the shortest, and grow to what they are in so many steps; by example they are not.
// Decided on integers, so that every device jumps alike. The draw's id is (row0 + b) samples + s; by example, row0 is the
// batch's place in the order and time stands still, so that an example's jumps are the same in any batch.
#import index
#import rng
#import step

override WG: u32 = 64u;

struct Params {
  samples: u32,
  n: u32,
  time: u32,
  near_lo: u32,
  near_hi: u32,
  far_lo: u32,
  far_hi: u32,
  far: u32,
  stream_lo: u32,
  stream_hi: u32,
  by_example: u32,
  grow: u32,
}

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<uniform> p: Params;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let q = flat_index(w, groups, l, WG);
  if q >= p.samples * p.n { return; }
  let b = q % p.n;
  let fixed = p.by_example != 0u;
  let id = (select(0u, step.first, fixed) + b) * p.samples + q / p.n;
  let time = select(step.step, 0xffffffffu, fixed);
  let words = philox(vec4u(id, time, p.stream_lo, p.stream_hi), step.seed);
  let is_far = (words.x >> 8u) < p.far;
  let lo = select(p.near_lo, p.far_lo, is_far);
  let more = select(p.near_hi, p.far_hi, is_far) - lo;
  let grown = fixed || step.step >= p.grow;
  let hi = lo + select(more * step.step / max(p.grow, 1u), more, grown);
  let jump = lo + below(words.y, hi - lo + 1u);
  let t1 = below(words.z, p.time - jump);
  y[2u * q] = f32(t1);
  y[2u * q + 1u] = f32(t1 + jump);
}

// y[s, b, d] = draw of id e = ((row0 + b)·samples + s)·inner + d: normal, uniform in (0, 1), or a whole number below bound;
// y: [samples, batch, inner]. Word e % 4 of Philox block e / 4; e counts modulo 2³². By example, row0 is the batch's place
// in the order and time stands still, so that an example draws the same in any batch and at any step.
#import index
#import numerics
#import rng
#import step

override OP: u32;
override WG: u32 = 64u;
const NORMAL = 0u;
const UNIT = 1u;
const BELOW = 2u;

struct Params {
  samples: u32,
  batch: u32,
  inner: u32,
  stream_lo: u32,
  stream_hi: u32,
  by_example: u32,
  bound: u32,
}

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<uniform> p: Params;
@group(0) @binding(2) var<uniform> step: Step;

// ln u for u in (0, 1), never positive. The builtin loses all relative accuracy near 1; 1 − u is exact there.
fn ln_unit(u: f32) -> f32 {
  if u > 0.5 { return log1p_(u - 1.0); }
  return log(u);
}

// Box and Muller: two normal draws from two words.
fn normal(a: u32, b: u32) -> vec2f {
  return sqrt(-2.0 * ln_unit(unit(a))) * sin_cos_turns(unit(b)).yx;
}

fn draw(words: vec4u) -> vec4f {
  if OP == NORMAL { return vec4f(normal(words.x, words.y), normal(words.z, words.w)); }
  if OP == BELOW {
    let n = p.bound;
    return vec4f(vec4u(below(words.x, n), below(words.y, n), below(words.z, n), below(words.w, n)));
  }
  return vec4f(unit(words.x), unit(words.y), unit(words.z), unit(words.w));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let q = flat_index(w, groups, l, WG);
  let total = p.samples * p.batch * p.inner;
  let by_example = p.by_example != 0u;
  let first = select(0u, step.first, by_example) * p.samples * p.inner;
  // The call's first id may lie inside a block.
  let skew = first % 4u;
  if 4u * q >= total + skew { return; }
  let block = (first / 4u + q) & 0x3fffffffu;
  let time = select(step.step, 0xffffffffu, by_example);
  let v = draw(philox(vec4u(block, time, p.stream_lo, p.stream_hi), step.seed));
  for (var lane = 0u; lane < 4u; lane++) {
    // Lanes before the first id wrap past the total.
    let j = 4u * q + lane - skew;
    if j < total {
      let row = j / p.inner;
      let at = (row % p.samples) * p.batch + row / p.samples;
      y[at * p.inner + j % p.inner] = v[lane];
    }
  }
}

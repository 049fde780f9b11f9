// x[b, t, i, j] = lit(b, i, j - d_b t mod width): example b of the batch as a sequence that moves by one pixel a step, to the
// right or to the left, and comes back in at the other side; x: [batch, frames, height, width]. A pixel is lit with the
// probability byte / 255, once a sequence; without binarisation it is byte / 255. The direction d_b is 1 or -1 by a coin.
// data: bytes packed in little-endian words, row after row; streamed, it holds only the batch's rows, in order.
// Static sequences are drawn by example at no time, so that they are the same in every epoch.
#import index
#import rng
#import step

override OP: u32;
override WG: u32 = 64u;
const NONE = 0u;
const DYNAMIC = 1u;
const STATIC = 2u;

struct Params {
  batch: u32,
  frames: u32,
  height: u32,
  width: u32,
  streamed: u32,
  stream_lo: u32,
  stream_hi: u32,
  by_example: u32,
}

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;
@group(0) @binding(4) var<uniform> step: Step;

// One invocation: the four pixels that share a Philox block, in every frame. The last block of an example is its coin.
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let q = flat_index(w, groups, l, WG);
  let inner = p.height * p.width;
  let quads = (inner + 3u) / 4u;
  if q >= p.batch * quads { return; }
  let b = q / quads;
  let quad = q % quads;
  let id = order[step.first + b];
  let row = select(id, b, p.streamed != 0u);
  let fixed = OP == STATIC || p.by_example != 0u;
  let first = select(b, id, fixed) * (quads + 1u);
  let time = select(step.step, 0xffffffffu, fixed);
  let coin = philox(vec4u(first + quads, time, p.stream_lo, p.stream_hi), step.seed);
  // One pixel to the left is all but one to the right.
  let pace = select(p.width - 1u, 1u, (coin.x & 1u) == 1u) % p.width;
  var words = vec4u(0u);
  if OP != NONE {
    words = philox(vec4u(first + quad, time, p.stream_lo, p.stream_hi), step.seed);
  }
  for (var lane = 0u; lane < 4u; lane++) {
    let j = 4u * quad + lane;
    if j < inner {
      let k = row * inner + j;
      let byte = (data[k / 4u] >> (8u * (k % 4u))) & 0xffu;
      let value = select(select(0.0, 1.0, lit(words[lane], byte)), f32(byte) / 255.0, OP == NONE);
      let line = j / p.width * p.width;
      var column = j % p.width;
      for (var t = 0u; t < p.frames; t++) {
        x[(b * p.frames + t) * inner + line + column] = value;
        column = (column + pace) % p.width;
      }
    }
  }
}

// x[b, j] = byte j of example order[first + b], over 255, or binarised: 1 with that probability; x: [batch, inner]. REAL:
// its j-th f32, a word each.
// data: bytes packed in little-endian words, row after row; streamed, it holds only the batch's rows, in order.
// Static binarisation draws by example at no time, so that it is the same in every epoch.
#import index
#import rng
#import step

override OP: u32;
override WG: u32 = 64u;
const NONE = 0u;
const DYNAMIC = 1u;
const STATIC = 2u;
const REAL = 3u;

struct Params {
  batch: u32,
  inner: u32,
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

// One invocation: the four columns that share a Philox block.
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let q = flat_index(w, groups, l, WG);
  let quads = (p.inner + 3u) / 4u;
  if q >= p.batch * quads { return; }
  let b = q / quads;
  let quad = q % quads;
  let id = order[step.first + b];
  let row = select(id, b, p.streamed != 0u);
  var words = vec4u(0u);
  if OP != NONE && OP != REAL {
    let fixed = OP == STATIC || p.by_example != 0u;
    let block = select(b, id, fixed) * quads + quad;
    let time = select(step.step, 0xffffffffu, fixed);
    words = philox(vec4u(block, time, p.stream_lo, p.stream_hi), step.seed);
  }
  for (var lane = 0u; lane < 4u; lane++) {
    let j = 4u * quad + lane;
    if j < p.inner {
      let k = row * p.inner + j;
      if OP == REAL {
        x[b * p.inner + j] = bitcast<f32>(data[k]);
        continue;
      }
      let byte = (data[k / 4u] >> (8u * (k % 4u))) & 0xffu;
      x[b * p.inner + j] = select(select(0.0, 1.0, lit(words[lane], byte)), f32(byte) / 255.0, OP == NONE);
    }
  }
}

// x[b, j] = pixel j of picture order[first + b] of the grid of sprites (shape, scale, orientation, x, y: 3, 6, 40, 32, 32
// classes, y fastest), 0 or 1; x: [batch, 64*64]. table: rotations, reaches and edges, see src/kernels/outlines.rs.
// A pixel is lit where 59 of its 8 x 8 samples are inside the shape: integers alone, so that all devices agree.
#import index
#import step

override WG: u32 = 64u;
const SIDE = 64u;
const UNITS = 496;
const FINER = 4096;
const STEPS = 128u;
const REACHES = 80u;
const EDGES = 86u;
const BINS = 512u;
const LIT = 59u;
const HALF_DIAGONAL = 351;

struct Params {
  batch: u32,
}

@group(0) @binding(0) var<storage, read> table: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;
@group(0) @binding(4) var<uniform> step: Step;

fn word(i: u32) -> i32 {
  return bitcast<i32>(table[i]);
}

// A rotated coordinate without its sign, rounded.
fn turned(v: i32) -> u32 {
  return u32(abs(v) + FINER / 2) / u32(FINER);
}

// One invocation: a pixel.
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let q = flat_index(w, groups, l, WG);
  if q >= p.batch * SIDE * SIDE { return; }
  let place = order[step.first + q / (SIDE * SIDE)];
  let row = i32(q / SIDE % SIDE);
  let column = i32(q % SIDE);

  let shape = place / 245760u % 3u;
  let scale = 5 + i32(place / 40960u % 6u);
  let orientation = place / 1024u % 40u;
  let centre = vec2i(16 * UNITS) + 512 * vec2i(vec2u(place / 32u, place) % 32u);
  let near = word(REACHES + 2u * shape) * scale / 10 - HALF_DIAGONAL;
  let far = (word(REACHES + 2u * shape + 1u) * scale + 9) / 10 + HALF_DIAGONAL;

  let d = (16 * vec2i(column, row) + 8) * 31 - centre;
  let distance = d.x * d.x + d.y * d.y;
  var lit = distance <= near * near;
  if !lit && distance <= far * far {
    let cosine = word(2u * orientation);
    let sine = word(2u * orientation + 1u);
    var inside = 0u;
    for (var i = 0; i < 64; i++) {
      let s = (16 * vec2i(column, row) + 2 * vec2i(i % 8, i / 8) + 1) * 31 - centre;
      let across = sine * s.x + cosine * s.y;
      let u = turned(cosine * s.x - sine * s.y);
      let v = turned(across);
      let down = across >= 0;
      let ratio = min(min(u, v) * STEPS / max(max(u, v), 1u), STEPS - 1u);
      let bin = (2u * u32(down) + u32(u > v)) * STEPS + ratio;
      let e = EDGES + 3u * (BINS * shape + bin);
      let sum = word(e) * i32(u) + word(e + 1u) * select(-i32(v), i32(v), down);
      inside += u32(10 * sum <= word(e + 2u) * scale);
    }
    lit = inside >= LIT;
  }
  x[q] = select(0.0, 1.0, lit);
}

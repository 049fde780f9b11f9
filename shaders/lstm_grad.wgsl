// da of shaders/lstm.wgsl, from the cotangent dh of its h, backward in time: with e_t = dh_t + da_t+1 Wᵀ and
// u_t = e_t o_t (1 - tanh² c_t) + u_t+1 f_t+1,
//   da_t = (u g i(1-i), u c_t-1 f(1-f), u i (1-g²), e tanh(c) o(1-o)), in the order i, f, g, o.
// tape: [n, time, 6 units] = i, f, g, o, c, tanh c; w: [4 units, units], the transpose of what the forward pass has;
// dh: [n, time, units]; da: [n, time, 4 units].
//
// One workgroup has four rows of the batch, one a lane of its vectors, through all of time; unit j belongs to invocation
// j mod WG. At most 160 units.
#import index

override WG: u32 = 64u;
const MAX_UNITS = 160u;

struct Params {
  n: u32,
  time: u32,
  units: u32,
}

@group(0) @binding(0) var<storage, read> tape: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> dh: array<f32>;
@group(0) @binding(3) var<storage, read_write> da: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;

// da of the step after this one, gate after gate; 0 from `units` on.
var<workgroup> next: array<vec4f, 640>;
// u_t+1 f_t+1, and what the step after this one adds to dh.
var<workgroup> cell: array<vec4f, 160>;
var<workgroup> later: array<vec4f, 160>;

// The share of unit k's gates at the later step in unit j. Past the last unit they are 0.
fn share(k: u32, j: u32) -> vec4f {
  let at = min(k, p.units - 1u) * p.units + j;
  let gate = p.units * p.units;
  return next[k] * w[at] + next[MAX_UNITS + k] * w[at + gate] + next[2u * MAX_UNITS + k] * w[at + 2u * gate]
    + next[3u * MAX_UNITS + k] * w[at + 3u * gate];
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) g: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let first = 4u * flat_group(g, groups);
  if first >= p.n { return; }
  for (var k = l; k < MAX_UNITS; k += WG) {
    next[k] = vec4f(0.0);
    next[MAX_UNITS + k] = vec4f(0.0);
    next[2u * MAX_UNITS + k] = vec4f(0.0);
    next[3u * MAX_UNITS + k] = vec4f(0.0);
    cell[k] = vec4f(0.0);
  }
  // All of it is 0 before any of it is read.
  workgroupBarrier();
  for (var step = 0u; step < p.time; step++) {
    let t = p.time - 1u - step;
    for (var j = l; j < p.units; j += WG) {
      var sum = vec4f(0.0);
      for (var k = 0u; k < p.units; k += 4u) {
        sum += share(k, j) + share(k + 1u, j) + share(k + 2u, j) + share(k + 3u, j);
      }
      later[j] = sum;
    }
    // The later step's da was read before it is overwritten.
    workgroupBarrier();
    for (var j = l; j < p.units; j += WG) {
      for (var r = 0u; r < 4u; r++) {
        let row = min(first + r, p.n - 1u) * p.time + t;
        let at = row * 6u * p.units + j;
        let i = tape[at];
        let f = tape[at + p.units];
        let new_ = tape[at + 2u * p.units];
        let o = tape[at + 3u * p.units];
        let s = tape[at + 5u * p.units];
        var before = 0.0;
        if t > 0u { before = tape[at - 2u * p.units]; }
        let e = dh[row * p.units + j] + later[j][r];
        let u = e * o * (1.0 - s * s) + cell[j][r];
        let di = u * new_ * (i * (1.0 - i));
        let df = u * before * (f * (1.0 - f));
        let dg = u * i * (1.0 - new_ * new_);
        let do_ = e * s * (o * (1.0 - o));
        cell[j][r] = u * f;
        next[j][r] = di;
        next[MAX_UNITS + j][r] = df;
        next[2u * MAX_UNITS + j][r] = dg;
        next[3u * MAX_UNITS + j][r] = do_;
        if first + r < p.n {
          let to = row * 4u * p.units + j;
          da[to] = di;
          da[to + p.units] = df;
          da[to + 2u * p.units] = dg;
          da[to + 3u * p.units] = do_;
        }
      }
    }
    // This step's da is whole before the earlier one reads it.
    workgroupBarrier();
  }
}

// h_t = o_t tanh c_t, c_t = f_t c_t-1 + i_t g_t, where i, f, o = sigmoid and g = tanh of their part of a_t + h_t-1 W, in the
// order i, f, g, o; h and c are 0 before the first step. a: [n, time, 4 units]; w: [units, 4 units]; h: [n, time, units];
// with TAPE also tape: [n, time, 6 units], what lstm_grad needs of each step: i, f, g, o, c, tanh c.
//
// One workgroup has four rows of the batch, one a lane of its vectors, through all of time; unit j belongs to invocation
// j mod WG, which alone reads and writes its cell. At most 160 units.
#import index
#import numerics

override TAPE: u32;
override WG: u32 = 64u;
const MAX_UNITS = 160u;

struct Params {
  n: u32,
  time: u32,
  units: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> h: array<f32>;
@group(0) @binding(3) var<storage, read_write> tape: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;

// h of the last step and of this one, by turns; 0 from `units` on.
var<workgroup> state: array<vec4f, 320>;
var<workgroup> cell: array<vec4f, 160>;

fn sigmoid4(v: vec4f) -> vec4f {
  return vec4f(sigmoid_(v.x), sigmoid_(v.y), sigmoid_(v.z), sigmoid_(v.w));
}

fn tanh4(v: vec4f) -> vec4f {
  return vec4f(tanh_(v.x), tanh_(v.y), tanh_(v.z), tanh_(v.w));
}

// The share of unit k of the last step in the four gates of unit j: a column a gate. Past the last unit h is 0.
fn share(from_: u32, k: u32, j: u32) -> mat4x4f {
  let at = min(k, p.units - 1u) * 4u * p.units + j;
  let v = state[from_ + k];
  return mat4x4f(v * w[at], v * w[at + p.units], v * w[at + 2u * p.units], v * w[at + 3u * p.units]);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) g: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let first = 4u * flat_group(g, groups);
  if first >= p.n { return; }
  for (var k = l; k < MAX_UNITS; k += WG) {
    state[k] = vec4f(0.0);
    state[MAX_UNITS + k] = vec4f(0.0);
    cell[k] = vec4f(0.0);
  }
  // All of it is 0 before any of it is read.
  workgroupBarrier();
  for (var t = 0u; t < p.time; t++) {
    let last = (t & 1u) * MAX_UNITS;
    for (var j = l; j < p.units; j += WG) {
      var gates = mat4x4f();
      for (var k = 0u; k < p.units; k += 4u) {
        gates += share(last, k, j) + share(last, k + 1u, j) + share(last, k + 2u, j) + share(last, k + 3u, j);
      }
      for (var r = 0u; r < 4u; r++) {
        let at = (min(first + r, p.n - 1u) * p.time + t) * 4u * p.units + j;
        gates[0][r] += a[at];
        gates[1][r] += a[at + p.units];
        gates[2][r] += a[at + 2u * p.units];
        gates[3][r] += a[at + 3u * p.units];
      }
      let i = sigmoid4(gates[0]);
      let f = sigmoid4(gates[1]);
      let new_ = tanh4(gates[2]);
      let o = sigmoid4(gates[3]);
      let c = f * cell[j] + i * new_;
      let s = tanh4(c);
      cell[j] = c;
      state[MAX_UNITS - last + j] = o * s;
      for (var r = 0u; r < 4u; r++) {
        if first + r < p.n {
          let row = (first + r) * p.time + t;
          h[row * p.units + j] = o[r] * s[r];
          if TAPE != 0u {
            let at = row * 6u * p.units + j;
            tape[at] = i[r];
            tape[at + p.units] = f[r];
            tape[at + 2u * p.units] = new_[r];
            tape[at + 3u * p.units] = o[r];
            tape[at + 4u * p.units] = c[r];
            tape[at + 5u * p.units] = s[r];
          }
        }
      }
    }
    // This step's h is whole before the next step reads it; the other half was read before it is overwritten.
    workgroupBarrier();
  }
}

// y_i = f(a_⌊i/da⌋ mod ma, b_⌊i/db⌋ mod mb); y: [n]. Full operands (div 1, mod n), scalars (mod 1), rows repeated
// (div 1, mod m) and elements repeated (div m) are one formula. Gradients of relu, sigmoid and tanh: b is their output.
#import index
#import numerics

override OP: u32;
override WG: u32 = 64u;
const ADD = 0u;
const SUB = 1u;
const MUL = 2u;
const DIV = 3u;
const MAX = 4u;
const MIN = 5u;
const GT = 6u;
const RELU_GRAD = 7u;
const SIGMOID_GRAD = 8u;
const TANH_GRAD = 9u;

struct Params {
  n: u32,
  a_div: u32,
  a_mod: u32,
  b_div: u32,
  b_mod: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

fn f(u: f32, v: f32) -> f32 {
  switch OP {
    case ADD { return u + v; }
    case SUB { return u - v; }
    case MUL { return u * v; }
    case DIV { return u / v; }
    // A NaN in either operand must come out: where u is NaN the comparison is false and u stays.
    case MAX { return select(u, v, v > u || is_nan(v)); }
    case MIN { return select(u, v, v < u || is_nan(v)); }
    case GT { return select(0.0, 1.0, u > v); }
    case RELU_GRAD { return select(0.0, u, v > 0.0); }
    case SIGMOID_GRAD { return u * (v * (1.0 - v)); }
    case TANH_GRAD { return u * (1.0 - v * v); }
    default { return u; }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n { return; }
  y[i] = f(a[(i / p.a_div) % p.a_mod], b[(i / p.b_div) % p.b_mod]);
}

// y = f(x), element by element; x, y: [n]. The family is closed under what its gradients need.
#import index
#import numerics

override OP: u32;
override WG: u32 = 64u;
const EXP = 0u;
const LN = 1u;
const SQRT = 2u;
const RECIP = 3u;
const ABS = 4u;
const SIGN = 5u;
const STEP = 6u;
const SIGMOID = 7u;
const TANH = 8u;
const RELU = 9u;
const SOFTPLUS = 10u;
const SQUARE = 11u;
const AFFINE = 12u;
const CLAMP = 13u;
const INSIDE = 14u;

struct Params {
  n: u32,
  alpha: f32,
  beta: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

fn f(v: f32) -> f32 {
  switch OP {
    case EXP { return exp(v); }
    case LN { return log(v); }
    case SQRT { return sqrt(v); }
    case RECIP { return 1.0 / v; }
    case ABS { return abs(v); }
    case SIGN { return select(select(0.0, -1.0, v < 0.0), 1.0, v > 0.0); }
    case STEP { return select(0.0, 1.0, v > 0.0); }
    case SIGMOID { return sigmoid_(v); }
    case TANH { return tanh_(v); }
    // select, not max: max(NaN, 0) is 0 on some drivers.
    case RELU { return select(v, 0.0, v < 0.0); }
    case SOFTPLUS { return softplus_(v); }
    case SQUARE { return v * v; }
    case AFFINE { return p.alpha * v + p.beta; }
    case CLAMP { return select(select(v, p.alpha, v < p.alpha), p.beta, v > p.beta); }
    case INSIDE { return select(0.0, 1.0, v >= p.alpha && v <= p.beta); }
    default { return v; }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n { return; }
  y[i] = f(x[i]);
}

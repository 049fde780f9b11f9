// The elementwise functions: unary ones by the numbers of src/kernels/unary.rs, binary ones by those of binary.rs. Where
// `op` is an override, one of them is left.
#import numerics

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

fn unary_(op: u32, v: f32, alpha: f32, beta: f32) -> f32 {
  switch op {
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
    case AFFINE { return alpha * v + beta; }
    case CLAMP { return select(select(v, alpha, v < alpha), beta, v > beta); }
    case INSIDE { return select(0.0, 1.0, v >= alpha && v <= beta); }
    default { return v; }
  }
}

fn binary_(op: u32, u: f32, v: f32) -> f32 {
  switch op {
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

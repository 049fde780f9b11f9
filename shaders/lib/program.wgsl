// Instructions of the programs of map.wgsl and scalars.wgsl: op | left << 8 | right << 16, with two numbers beside it. As
// overrides they leave of each `step_` the one function that is meant. Who imports this binds `step`.
#import step
#import elementwise

// Instructions beyond the functions of lib/elementwise: binary ones from 15 on.
const BINARY = 15u;
const BCE = 25u;
const SCALAR = 26u;
const CONSTANT = 27u;

fn step_(code: u32, u: f32, v: f32, alpha: f32, beta: f32) -> f32 {
  let op = code & 255u;
  if op < BINARY { return unary_(op, u, alpha, beta); }
  if op < BCE { return binary_(op - BINARY, u, v); }
  switch op {
    case BCE { return select(u, 0.0, u < 0.0) - u * v + log1p_(exp(-abs(u))); }
    case SCALAR { return step.scalars[((code >> 8u) & 255u) / 4u][((code >> 8u) & 255u) % 4u]; }
    case CONSTANT { return alpha; }
    default { return u; }
  }
}

// The register that an instruction reads on the left, and on the right. (SCALAR has the index of a scalar there.)
fn left(code: u32) -> u32 {
  return select((code >> 8u) & 255u, 0u, (code & 255u) == SCALAR);
}

fn right(code: u32) -> u32 {
  return code >> 16u;
}

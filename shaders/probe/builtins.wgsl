// y_i = f(x_i): a builtin by itself, or nothing at all (COPY).

override OP: u32;
const EXP = 0u;
const LOG = 1u;
const TANH = 2u;
const SIN = 3u;
const COS = 4u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

fn f(v: f32) -> f32 {
  switch OP {
    case EXP { return exp(v); }
    case LOG { return log(v); }
    case TANH { return tanh(v); }
    case SIN { return sin(v); }
    case COS { return cos(v); }
    default { return v; }
  }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if id.x >= arrayLength(&x) { return; }
  y[id.x] = f(x[id.x]);
}

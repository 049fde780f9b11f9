// y = (fma(a, b, c), a b + c, a flush of a subnormal: h / 2), x = (a, b, c, h).

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(1)
fn main() {
  y[0] = fma(x[0], x[1], x[2]);
  y[1] = x[0] * x[1] + x[2];
  y[2] = x[3] * 0.5;
}

// y = how many of x_0 iterations were made: x_1 is 1, which no compiler knows.

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(1)
fn main() {
  var count = 0u;
  for (var i = 0u; i < x[0]; i++) {
    count += x[1 + (i & 1u)];
  }
  y[0] = count;
}

// A program over scalars: register j is scale_j times the sum of the first n_j elements of x_j (j < 5), registers 5 … 16 are
// what the instructions I0 … I11 make of earlier ones; y[j · stride] = register O_j, j < OUTS. One workgroup, whose LANES
// invocations share the sums.
#import program

// Inputs that are read; the others bind the first again.
override INS: u32;
override OUTS: u32;
override O0: u32;
override O1: u32;
override O2: u32;
override O3: u32;
override O4: u32;
override O5: u32;
override O6: u32;
override O7: u32;
override I0: u32;
override I1: u32;
override I2: u32;
override I3: u32;
override I4: u32;
override I5: u32;
override I6: u32;
override I7: u32;
override I8: u32;
override I9: u32;
override I10: u32;
override I11: u32;
override LANES: u32 = 1u;

struct Params {
  stride: u32,
  n0: u32,
  scale0: f32,
  n1: u32,
  scale1: f32,
  n2: u32,
  scale2: f32,
  n3: u32,
  scale3: f32,
  n4: u32,
  scale4: f32,
  a0: f32,
  b0: f32,
  a1: f32,
  b1: f32,
  a2: f32,
  b2: f32,
  a3: f32,
  b3: f32,
  a4: f32,
  b4: f32,
  a5: f32,
  b5: f32,
  a6: f32,
  b6: f32,
  a7: f32,
  b7: f32,
  a8: f32,
  b8: f32,
  a9: f32,
  b9: f32,
  a10: f32,
  b10: f32,
  a11: f32,
  b11: f32,
}

@group(0) @binding(0) var<storage, read> x0: array<f32>;
@group(0) @binding(1) var<storage, read> x1: array<f32>;
@group(0) @binding(2) var<storage, read> x2: array<f32>;
@group(0) @binding(3) var<storage, read> x3: array<f32>;
@group(0) @binding(4) var<storage, read> x4: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<uniform> p: Params;
@group(0) @binding(7) var<uniform> step: Step;

var<workgroup> parts: array<f32, 256>;

// The sum of what the invocations have.
fn together(l: u32, own: f32) -> f32 {
  if LANES == 1u { return own; }
  workgroupBarrier();
  parts[l] = own;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if l < half { parts[l] += parts[l + half]; }
  }
  workgroupBarrier();
  return parts[0];
}

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) l: u32) {
  var r: array<f32, 17>;
  {
    var s = 0.0;
    if l < p.n0 { s = x0[l]; }
    for (var i = l + LANES; i < p.n0; i += LANES) { s += x0[i]; }
    r[0] = p.scale0 * together(l, s);
  }
  if INS > 1u {
    var s = 0.0;
    if l < p.n1 { s = x1[l]; }
    for (var i = l + LANES; i < p.n1; i += LANES) { s += x1[i]; }
    r[1] = p.scale1 * together(l, s);
  }
  if INS > 2u {
    var s = 0.0;
    if l < p.n2 { s = x2[l]; }
    for (var i = l + LANES; i < p.n2; i += LANES) { s += x2[i]; }
    r[2] = p.scale2 * together(l, s);
  }
  if INS > 3u {
    var s = 0.0;
    if l < p.n3 { s = x3[l]; }
    for (var i = l + LANES; i < p.n3; i += LANES) { s += x3[i]; }
    r[3] = p.scale3 * together(l, s);
  }
  if INS > 4u {
    var s = 0.0;
    if l < p.n4 { s = x4[l]; }
    for (var i = l + LANES; i < p.n4; i += LANES) { s += x4[i]; }
    r[4] = p.scale4 * together(l, s);
  }
  r[5] = step_(I0, r[left(I0)], r[right(I0)], p.a0, p.b0);
  r[6] = step_(I1, r[left(I1)], r[right(I1)], p.a1, p.b1);
  r[7] = step_(I2, r[left(I2)], r[right(I2)], p.a2, p.b2);
  r[8] = step_(I3, r[left(I3)], r[right(I3)], p.a3, p.b3);
  r[9] = step_(I4, r[left(I4)], r[right(I4)], p.a4, p.b4);
  r[10] = step_(I5, r[left(I5)], r[right(I5)], p.a5, p.b5);
  r[11] = step_(I6, r[left(I6)], r[right(I6)], p.a6, p.b6);
  r[12] = step_(I7, r[left(I7)], r[right(I7)], p.a7, p.b7);
  r[13] = step_(I8, r[left(I8)], r[right(I8)], p.a8, p.b8);
  r[14] = step_(I9, r[left(I9)], r[right(I9)], p.a9, p.b9);
  r[15] = step_(I10, r[left(I10)], r[right(I10)], p.a10, p.b10);
  r[16] = step_(I11, r[left(I11)], r[right(I11)], p.a11, p.b11);
  if l > 0u { return; }
  if OUTS > 0u { y[0u * p.stride] = r[O0]; }
  if OUTS > 1u { y[1u * p.stride] = r[O1]; }
  if OUTS > 2u { y[2u * p.stride] = r[O2]; }
  if OUTS > 3u { y[3u * p.stride] = r[O3]; }
  if OUTS > 4u { y[4u * p.stride] = r[O4]; }
  if OUTS > 5u { y[5u * p.stride] = r[O5]; }
  if OUTS > 6u { y[6u * p.stride] = r[O6]; }
  if OUTS > 7u { y[7u * p.stride] = r[O7]; }
}
